// The job store in one SQLite file: the default, for one server.
#ifndef MIND_SERVER_STORE_SQLITE_JOB_STORE_H_
#define MIND_SERVER_STORE_SQLITE_JOB_STORE_H_

#include <sqlite3.h>

#include <memory>
#include <string>

#include "server/store/job_store.h"

namespace mind::server {

class SqliteJobStore : public JobStore {
 public:
  // Opens or creates jobs.db in `directory` (created if missing) and locks it: two servers on one file are
  // refused.
  static absl::StatusOr<std::unique_ptr<SqliteJobStore>> Open(const std::string& directory);

  absl::Status Insert(const v1::Job& job, const RequestKey& key) override;
  absl::Status Update(const v1::Job& job) override;
  absl::StatusOr<std::optional<v1::Job>> Find(const std::string& id) override;
  absl::StatusOr<std::optional<Earlier>> FindRequest(const std::string& tenant,
                                                     const std::string& request_id) override;
  absl::StatusOr<std::vector<v1::Job>> List(const std::string& tenant, std::optional<v1::JobState> state,
                                            const std::string& after_id, int limit) override;
  absl::StatusOr<std::vector<v1::Job>> Unfinished() override;
  absl::Status InsertImage(const std::string& job_id, const StoredImage& image) override;
  absl::StatusOr<std::vector<uint32_t>> ImageIndices(const std::string& job_id) override;
  absl::StatusOr<std::optional<StoredImage>> FindImage(const std::string& job_id, uint32_t index) override;
  absl::Status SaveModel(const v1::Model& model) override;
  absl::StatusOr<std::vector<v1::Model>> Models() override;
  uint64_t epoch() const override { return epoch_; }
  absl::StatusOr<int> Purge(absl::Time ended_before) override;

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };

  explicit SqliteJobStore(sqlite3* database) : database_(database) {}
  absl::Status CreateSchema();
  absl::StatusOr<std::vector<v1::Job>> Jobs(const std::string& sql,
                                            const std::vector<std::string>& arguments);

  std::unique_ptr<sqlite3, Close> database_;
  uint64_t epoch_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_JOB_STORE_H_
