#include "server/store/postgres_job_store.h"

#include <utility>

namespace mind::server {

absl::StatusOr<std::unique_ptr<PostgresJobStore>> PostgresJobStore::Open(
    const std::string& url, const std::string& holder, uint64_t term, std::shared_ptr<ObjectStore> objects) {
  std::unique_ptr<PostgresJobStore> store(new PostgresJobStore(url, holder, term, std::move(objects)));
  if (absl::Status status = store->writer_.Prepare(); !status.ok()) return status;
  return store;
}

PostgresJobStore::PostgresJobStore(const std::string& url, const std::string& holder, uint64_t term,
                                   std::shared_ptr<ObjectStore> objects)
    : PostgresJobReader(
          url, std::move(objects), term,
          [this](const DamagedRow& row) { writing_.Post([this, row] { writer_.SetAside(row); }); }),
      url_(url),
      term_(term),
      writer_(url, holder, term, objects_.get()),
      checkpoints_(url, term) {}

PostgresJobStore::~PostgresJobStore() {
  StopReading();  // readers give rows to the writer
}

void PostgresJobStore::Commit(std::shared_ptr<const StoreBatch> batch,
                              std::function<void(absl::Status)> done) {
  writing_.Post([this, batch = std::move(batch), done = std::move(done)] { done(writer_.Commit(*batch)); });
}

void PostgresJobStore::Purge(const PurgeQuery& query, int limit, Done<int> done) {
  writing_.Post([=, this, done = std::move(done)] { done(writer_.Purge(query, limit)); });
}

void PostgresJobStore::FindSources(const std::string& job_id, Done<PictureBytes> done) {
  Read([=, objects = objects_](PostgresReader& reader) {
    ReadObjects(job_id, reader.FindSources(job_id), objects.get(), done);
  });
}

PostgresReader PostgresJobStore::ReaderOfAStart() {
  return {url_, term_,
          [this](const DamagedRow& row) { writing_.Post([this, row] { writer_.SetAside(row); }); }};
}

absl::Status PostgresJobStore::ForEachUnfinished(const std::function<void(StoredJob)>& take) {
  return ReaderOfAStart().ForEachUnfinished(take);
}

absl::Status PostgresJobStore::ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) {
  return ReaderOfAStart().ForEachUnsettledWebhook(take);
}

absl::StatusOr<std::vector<StoredSecret>> PostgresJobStore::Secrets(const std::string& purpose) {
  return ReaderOfAStart().Secrets(purpose);
}

absl::StatusOr<std::vector<StoredPrice>> PostgresJobStore::Prices() {
  return ReaderOfAStart().Prices();
}

absl::StatusOr<std::vector<UsedTime>> PostgresJobStore::UsedSince(absl::Time since) {
  return ReaderOfAStart().UsedSince(since);
}

void PostgresJobStore::GiveUp() {
  GiveUpReading();
  writer_.GiveUp();
  checkpoints_.GiveUp();
}

}  // namespace mind::server
