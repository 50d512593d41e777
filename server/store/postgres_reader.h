// The half of the PostgreSQL store that reads.
#ifndef MIND_SERVER_STORE_POSTGRES_READER_H_
#define MIND_SERVER_STORE_POSTGRES_READER_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/store/damaged_job.h"
#include "server/store/found_pictures.h"
#include "server/store/job_reader.h"
#include "server/store/postgres_connection.h"
#include "server/store/source_pictures.h"
#include "server/store/store_batch.h"

namespace mind::server {

// Belongs to one thread at a time. Errors: see JobStore.
class PostgresReader {
 public:
  PostgresReader(const std::string& url, uint64_t epoch, SetAside set_aside)
      : connection_(url, "mind-server reader"), epoch_(epoch), set_aside_(std::move(set_aside)) {}

  absl::StatusOr<std::optional<StoredJob>> Find(const std::string& tenant, const std::string& id);
  absl::StatusOr<std::optional<EarlierRequest>> FindRequest(const std::string& tenant,
                                                            const std::string& request_id);
  absl::StatusOr<std::vector<StoredJob>> List(const JobQuery& query);
  absl::StatusOr<FoundSources> FindSources(const std::string& job_id);
  absl::StatusOr<std::optional<FoundImage>> FindImage(const std::string& job_id, uint32_t index);
  absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take);
  absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take);
  absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose);
  absl::StatusOr<std::vector<StoredPrice>> Prices();
  absl::StatusOr<std::vector<v1::Usage>> ListUsage(const UsageQuery& query);
  absl::StatusOr<std::vector<UsedTime>> UsedSince(absl::Time since);
  absl::StatusOr<std::vector<v1::Model>> Models();

  // See PostgresConnection. Thread-safe.
  void GiveUp() { connection_.GiveUp(); }

 private:
  // The columns of MIND_JOB_COLUMNS.
  StoredJob ReadJob(const PostgresRows& rows, int row);

  PostgresConnection connection_;
  const uint64_t epoch_;
  const SetAside set_aside_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_READER_H_
