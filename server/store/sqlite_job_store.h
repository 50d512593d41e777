// The job store in one SQLite file: the default, for one server.
#ifndef MIND_SERVER_STORE_SQLITE_JOB_STORE_H_
#define MIND_SERVER_STORE_SQLITE_JOB_STORE_H_

#include <sqlite3.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/store/job_store.h"
#include "server/store/sqlite_statement.h"

namespace mind::server {

class SqliteJobStore : public JobStore {
 public:
  // Opens or creates jobs.db in `directory` (created if missing), which nobody else may read, and locks it:
  // two servers on one file are refused, once one has waited for the other to go for that long.
  // FAILED_PRECONDITION says what is wrong.
  static absl::StatusOr<std::unique_ptr<SqliteJobStore>> Open(const std::string& directory,
                                                              absl::Duration patience = absl::Seconds(5));

  absl::Status Insert(const v1::Job& job, const RequestKey& key, bool tied) override;
  absl::Status Update(const v1::Job& job) override;
  absl::Status End(const v1::Job& job, uint64_t sequence) override;
  absl::Status Untie(const std::string& id) override;
  absl::StatusOr<std::optional<StoredJob>> Find(const std::string& id) override;
  absl::StatusOr<std::optional<Earlier>> FindRequest(const std::string& tenant,
                                                     const std::string& request_id) override;
  absl::StatusOr<std::vector<StoredJob>> List(const std::string& tenant,
                                              const std::vector<v1::JobState>& states, uint64_t before,
                                              int limit) override;
  absl::StatusOr<std::vector<StoredJob>> Unfinished() override;
  absl::Status InsertImage(const std::string& job_id, const StoredImage& image) override;
  absl::StatusOr<std::vector<ImageMark>> Images(const std::string& job_id) override;
  absl::StatusOr<std::optional<StoredImage>> FindImage(const std::string& job_id, uint32_t index) override;
  absl::Status SaveModels(const std::vector<v1::Model>& models) override;
  absl::StatusOr<std::vector<v1::Model>> Models() override;
  absl::Status Probe() override;
  uint64_t epoch() const override { return epoch_; }
  absl::StatusOr<int> Purge(absl::Time ended_before) override;

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };

  explicit SqliteJobStore(sqlite3* database) : database_(database) {}
  absl::Status Prepare(absl::Duration patience);
  // All that `work` does reaches the disk, or nothing does.
  absl::Status Together(const std::function<absl::Status()>& work);
  // Jobs `where` holds for; its parameters are bound by `bind`. Those that cannot be read are set aside.
  absl::StatusOr<std::vector<StoredJob>> Jobs(const std::string& where,
                                              const std::function<void(SqliteStatement&)>& bind);
  // Ends a job whose row cannot be read as DATA_LOSS, so that it is in nobody's way; the bytes are kept in
  // `damaged`.
  v1::Job SetAside(uint64_t number, const std::string& id, const std::string& tenant);

  std::unique_ptr<sqlite3, Close> database_;
  uint64_t epoch_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SQLITE_JOB_STORE_H_
