#include "server/store/sqlite_job_store.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/store/sqlite_schema.h"

namespace mind::server {

absl::StatusOr<std::unique_ptr<SqliteJobStore>> SqliteJobStore::Open(const std::string& directory,
                                                                     absl::Duration patience,
                                                                     std::shared_ptr<ObjectStore> objects) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error)
    return absl::FailedPreconditionError(absl::StrCat(directory, ": cannot create: ", error.message()));
  absl::StatusOr<DirectoryLock> lock = DirectoryLock::Take(directory, patience);
  if (!lock.ok()) return lock.status();
  std::unique_ptr<SqliteJobStore> store(new SqliteJobStore(*std::move(lock), directory, std::move(objects)));
  const std::string path = directory + "/jobs.db";
  // SQLite gives its companions the same rights.
  const absl::StatusOr<int> made = OpenPrivate(path);
  if (!made.ok()) return made.status();
  close(*made);
  if (absl::Status status = store->Prepare(path, patience); !status.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(path, ": ", status.message()));
  }
  return store;
}

absl::Status SqliteJobStore::Prepare(const std::string& path, absl::Duration patience) {
  absl::StatusOr<SqliteConnection> writing = SqliteConnection::ToWrite(path, patience);
  if (!writing.ok()) return writing.status();
  absl::Status status = BringUpToDate(*writing);
  if (status.ok()) status = QuickCheck(writing->get());
  if (!status.ok()) return status;
  {
    SqliteStatement epoch(writing->get(), "SELECT value FROM meta WHERE key = 'epoch'");
    if (epoch.Next()) epoch_ = static_cast<uint64_t>(epoch.Integer(0));
    if (!epoch.status().ok()) return epoch.status();
  }
  {
    constexpr int64_t kFull = 2;
    SqliteStatement synchronous(writing->get(), "PRAGMA synchronous");
    if (synchronous.Next()) durability_.disk = synchronous.Integer(0) >= kFull;
    if (!synchronous.status().ok()) return synchronous.status();
    durability_.settings = absl::StrCat("synchronous = ", synchronous.Integer(0));
  }
  writer_ = std::make_unique<SqliteWriter>(*std::move(writing), blobs_, objects_.get(), epoch_);
  writing_ = std::make_unique<TaskThread>();
  writing_->Post([this] { writer_->Sweep(); });
  const auto set_aside = [this](const DamagedRow& row) {
    writing_->Post([this, row] { writer_->SetAside(row); });
  };
  for (Reading& one : readers_) {
    absl::StatusOr<SqliteConnection> reading = SqliteConnection::ToRead(path);
    if (!reading.ok()) return reading.status();
    one.reader = std::make_unique<SqliteReader>(*std::move(reading), blobs_, epoch_, set_aside);
    one.thread = std::make_unique<TaskThread>();
  }
  return absl::OkStatus();
}

void SqliteJobStore::Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) {
  writing_->Post([this, batch = std::move(batch), done = std::move(done)] { done(writer_->Commit(*batch)); });
}

void SqliteJobStore::Purge(const PurgeQuery& query, int limit, Done<int> done) {
  writing_->Post([=, this, done = std::move(done)] { done(writer_->Purge(query, limit)); });
}

void SqliteJobStore::BytesUsed(Done<uint64_t> done) {
  writing_->Post([this, done = std::move(done)] { done(writer_->BytesUsed()); });
}

void SqliteJobStore::Read(std::function<void(SqliteReader&)> work) {
  Reading& one = readers_[next_reader_++ % kReaders];
  one.thread->Post([&one, work = std::move(work)] { work(*one.reader); });
}

void SqliteJobStore::Find(const std::string& tenant, const std::string& id,
                          Done<std::optional<StoredJob>> done) {
  Read([=](SqliteReader& reader) { done(reader.Find(tenant, id)); });
}

void SqliteJobStore::FindRequest(const std::string& tenant, const std::string& request_id,
                                 Done<std::optional<EarlierRequest>> done) {
  Read([=](SqliteReader& reader) { done(reader.FindRequest(tenant, request_id)); });
}

void SqliteJobStore::List(const JobQuery& query, Done<std::vector<StoredJob>> done) {
  Read([=](SqliteReader& reader) { done(reader.List(query)); });
}

void SqliteJobStore::FindSources(const std::string& job_id, Done<PictureBytes> done) {
  Read([=, this](SqliteReader& reader) {
    ReadObjects(job_id, reader.FindSources(job_id), objects_.get(), done);
  });
}

void SqliteJobStore::FindImage(const std::string& job_id, uint32_t index,
                               Done<std::optional<StoredImage>> done) {
  Read([=, this](SqliteReader& reader) {
    ReadObjects(reader.FindImage(job_id, index), objects_.get(), done);
  });
}

absl::Status SqliteJobStore::ForEachUnfinished(const std::function<void(StoredJob)>& take) {
  return readers_.front().reader->ForEachUnfinished(take);
}

void SqliteJobStore::Models(Done<std::vector<v1::Model>> done) {
  Read([=](SqliteReader& reader) { done(reader.Models()); });
}

absl::Status SqliteJobStore::ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) {
  return readers_.front().reader->ForEachUnsettledWebhook(take);
}

absl::StatusOr<std::vector<StoredSecret>> SqliteJobStore::Secrets(const std::string& purpose) {
  return readers_.front().reader->Secrets(purpose);
}

absl::StatusOr<std::vector<StoredPrice>> SqliteJobStore::Prices() {
  return readers_.front().reader->Prices();
}

void SqliteJobStore::ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) {
  Read([=](SqliteReader& reader) { done(reader.ListUsage(query)); });
}

absl::StatusOr<std::vector<UsedTime>> SqliteJobStore::UsedSince(absl::Time since) {
  return readers_.front().reader->UsedSince(since);
}

}  // namespace mind::server
