// The job store in a PostgreSQL database that several servers share: one of them decides, in one term.
//
// One thread writes, a few read, each over a connection of its own. Pictures lie in the database
// as well, but for those that are objects.
#ifndef MIND_SERVER_STORE_POSTGRES_JOB_STORE_H_
#define MIND_SERVER_STORE_POSTGRES_JOB_STORE_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/store/job_store.h"
#include "server/store/postgres_checkpoints.h"
#include "server/store/postgres_job_reader.h"
#include "server/store/postgres_writer.h"
#include "server/store/task_thread.h"

namespace mind::server {

class PostgresJobStore : public JobStore, public PostgresJobReader {
 public:
  // For the term that `holder` has taken (TermStore). Waits for the database, and brings its tables up to
  // date. `objects`: where large pictures are put; null: into the database. FAILED_PRECONDITION: they are of
  // a newer version. ABORTED, kTermOver: the term is over.
  static absl::StatusOr<std::unique_ptr<PostgresJobStore>> Open(
      const std::string& url, const std::string& holder, uint64_t term,
      std::shared_ptr<ObjectStore> objects = nullptr);
  // Does all it was asked for before, unless it has been given up.
  ~PostgresJobStore() override;

  void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) override;
  void Purge(const PurgeQuery& query, int limit, Done<int> done) override;
  void FindSources(const std::string& job_id, Done<PictureBytes> done) override;
  absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take) override;
  absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) override;
  absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose) override;
  absl::StatusOr<std::vector<StoredPrice>> Prices() override;
  absl::StatusOr<std::vector<UsedTime>> UsedSince(absl::Time since) override;
  CheckpointStore* checkpoints() override { return &checkpoints_; }
  void GiveUp() override;
  StoreDurability durability() const override { return writer_.durability(); }
  // The term.
  uint64_t epoch() const override { return term_; }

 private:
  PostgresJobStore(const std::string& url, const std::string& holder, uint64_t term,
                   std::shared_ptr<ObjectStore> objects);

  // Over a connection of its own.
  PostgresReader ReaderOfAStart();

  const std::string url_;
  const uint64_t term_;
  PostgresWriter writer_;
  PostgresCheckpoints checkpoints_;
  TaskThread writing_;  // writer_'s, once opened
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_JOB_STORE_H_
