#include "server/store/sqlite_writer.h"

#include <sqlite3.h>

#include <algorithm>

#include "nlohmann/json.hpp"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"

namespace mind::server {
namespace {

// A picture of more bytes is a blob, where it is no object. What is smaller costs less as part of the commit
// than as a file.
constexpr size_t kInRow = 64 << 10;

}  // namespace

absl::Status SqliteWriter::Together(const std::function<absl::Status()>& work) {
  unnamed_.clear();
  left_over_.clear();
  if (absl::Status status = connection_.Together(work); !status.ok()) return status;
  for (const std::string& hash : unnamed_) {
    const absl::StatusOr<bool> named = IsNamed(hash);
    if (!named.ok() || *named) continue;
    if (const absl::Status deleted = blobs_.Delete(hash); !deleted.ok()) {
      LogWarning("cannot delete a blob", {{"error", std::string(deleted.message())}});
    }
  }
  object_writer_.Delete(left_over_);
  return absl::OkStatus();
}

absl::StatusOr<SqliteWriter::Columns> SqliteWriter::Place(const std::string& job_id, const std::string& data,
                                                          const std::string& hash) {
  if (const StoredObject* const object = objects_.Find(job_id, data))
    return Columns{"", object->hash, object};
  if (data.size() <= kInRow) return Columns{data, hash};
  Columns columns{"", hash.empty() ? Sha256(data) : hash};
  if (absl::Status put = blobs_.Put(columns.hash, data); !put.ok()) return put;
  return columns;
}

absl::StatusOr<bool> SqliteWriter::IsNamed(const std::string& hash) {
  SqliteStatement names =
      Sql("SELECT 1 FROM images WHERE hash = ?1 AND object IS NULL UNION ALL "
          "SELECT 1 FROM sources WHERE hash = ?1 AND data = x'' AND object IS NULL LIMIT 1");
  names.Blob(hash);
  const bool named = names.Next();
  if (!names.status().ok()) return names.status();
  return named;
}

void SqliteWriter::Sweep() {
  blobs_.ForEach([this](const std::string& hash) {
    const absl::StatusOr<bool> named = IsNamed(hash);
    if (named.ok() && !*named) blobs_.Delete(hash).IgnoreError();  // the next start finds it again
  });
}

absl::Status SqliteWriter::Commit(const StoreBatch& batch) {
  absl::StatusOr<BatchObjects> objects = object_writer_.Put(batch);
  if (!objects.ok()) return objects.status();
  objects_ = *std::move(objects);
  return Together([&] {
    for (const StoreWrite& write : batch) {
      absl::Status status = std::visit([this](const auto& one) { return Do(one); }, write);
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteWriter::Do(const InsertJob& write) {
  if (!write.key.replaces.empty()) {
    const absl::Status given_up = Sql("UPDATE jobs SET request_id = NULL, fingerprint = NULL WHERE id = ?")
                                      .Text(write.key.replaces)
                                      .Run();
    if (!given_up.ok()) return given_up;
  }
  const std::string job = write.job.SerializeAsString();
  SqliteStatement insert =
      Sql("INSERT INTO jobs(id, tenant, state, job, tied, request_id, fingerprint) "
          "VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO NOTHING");
  insert.Text(write.job.id())
      .Text(write.job.tenant())
      .Int(write.job.state())
      .Blob(job)
      .Int(write.tied ? 1 : 0);
  if (write.key.request_id.empty()) {
    insert.Null().Null();
  } else {
    insert.Text(write.key.request_id).Blob(write.key.fingerprint);
  }
  if (absl::Status status = insert.Run(); !status.ok()) return status;
  for (const auto& [name, text] : write.job.labels()) {
    const absl::Status kept = Sql("INSERT OR IGNORE INTO labels(tenant, name, text, number) "
                                  "SELECT tenant, ?, ?, number FROM jobs WHERE id = ?")
                                  .Text(name)
                                  .Text(text)
                                  .Text(write.job.id())
                                  .Run();
    if (!kept.ok()) return kept;
  }
  for (const Blob& picture : write.pictures) {
    const absl::StatusOr<Columns> place = Place(write.job.id(), *picture.data, picture.hash);
    if (!place.ok()) return place.status();
    SqliteStatement keep =
        Sql("INSERT OR IGNORE INTO sources(job_id, hash, data, object) VALUES(?, ?, ?, ?)");
    keep.Text(write.job.id()).Blob(picture.hash).Blob(place->data);
    place->object != nullptr ? keep.Text(place->object->key) : keep.Null();
    if (absl::Status kept = keep.Run(); !kept.ok()) return kept;
  }
  return absl::OkStatus();
}

absl::Status SqliteWriter::Do(const UpdateJob& write) {
  return Sql("UPDATE jobs SET state = ?, job = ? WHERE id = ? AND ended_ms IS NULL")
      .Int(write.job.state())
      .Blob(write.job.SerializeAsString())
      .Text(write.job.id())
      .Run();
}

absl::Status SqliteWriter::Do(const EndJob& write) {
  const absl::Status noted = NoteUsage(write.job);
  if (!noted.ok()) return noted;
  return Sql("UPDATE jobs SET state = ?, job = ?, ended_ms = ?, end_sequence = ?, webhook = ? WHERE id = ?")
      .Int(write.job.state())
      .Blob(write.job.SerializeAsString())
      .Int(absl::ToUnixMillis(FromTimestamp(write.job.end_time())))
      .Int(static_cast<int64_t>(write.sequence))
      .Int(write.job.webhook_url().empty() ? 0 : 1)
      .Text(write.job.id())
      .Run();
}

absl::Status SqliteWriter::NoteUsage(const v1::Job& job) {
  return Sql("INSERT INTO usage(job_id, ended_ms, tenant, key_id, model, images, steps, worker_us) "
             "VALUES(?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(job_id) DO NOTHING")
      .Text(job.id())
      .Int(absl::ToUnixMillis(FromTimestamp(job.end_time())))
      .Text(job.tenant())
      .Text(job.key_id())
      .Blob(job.spec().model())
      .Int(job.images_done())
      .Int(StepsUsed(job))
      .Int(static_cast<int64_t>(job.worker_seconds() * 1e6))
      .Run();
}

absl::Status SqliteWriter::Do(const UntieJob& write) {
  return Sql("UPDATE jobs SET tied = 0 WHERE id = ?").Text(write.id).Run();
}

absl::Status SqliteWriter::Do(const ForgetJob& write) {
  return Delete(write.id);
}

absl::Status SqliteWriter::Delete(const std::string& id) {
  SqliteStatement elsewhere =
      Sql("SELECT hash, object FROM images WHERE job_id = ?1 AND hash IS NOT NULL UNION "
          "SELECT hash, object FROM sources WHERE job_id = ?1 AND data = x''");
  elsewhere.Text(id);
  while (elsewhere.Next()) {
    std::string key = elsewhere.Bytes(1);
    key.empty() ? unnamed_.push_back(elsewhere.Bytes(0)) : left_over_.push_back(std::move(key));
  }
  if (!elsewhere.status().ok()) return elsewhere.status();
  return Sql("DELETE FROM jobs WHERE id = ?").Text(id).Run();
}

absl::Status SqliteWriter::Do(const AddImage& write) {
  Columns place;
  if (write.object.has_value()) {
    place = {"", write.object->hash, &*write.object};
  } else {
    const absl::StatusOr<Columns> found = Place(write.job_id, *write.data);
    if (!found.ok()) return found.status();
    place = *found;
  }
  // Of a job that is there: another would make the batch fail for ever.
  SqliteStatement insert =
      Sql("INSERT OR IGNORE INTO images(job_id, image_index, seed, media_type, sequence, data, hash, object) "
          "SELECT id, ?, ?, ?, ?, ?, ?, ? FROM jobs WHERE id = ?");
  insert.Int(write.index)
      .Int(static_cast<int64_t>(write.seed))
      .Text(write.media_type)
      .Int(static_cast<int64_t>(write.sequence))
      .Blob(place.data);
  place.hash.empty() ? insert.Null() : insert.Blob(place.hash);
  place.object != nullptr ? insert.Text(place.object->key) : insert.Null();
  return insert.Text(write.job_id).Run();
}

absl::Status SqliteWriter::Do(const SaveModel& write) {
  return Sql("INSERT OR REPLACE INTO models VALUES(?, ?)")
      .Text(write.model.name())
      .Blob(write.model.SerializeAsString())
      .Run();
}

absl::Status SqliteWriter::Do(const SettleWebhook& write) {
  return Sql("UPDATE jobs SET webhook = 0 WHERE id = ?").Text(write.id).Run();
}

absl::Status SqliteWriter::Do(const AddSecret& write) {
  const absl::Status added = Sql("INSERT OR IGNORE INTO secrets(purpose, made_us, secret) VALUES(?, ?, ?)")
                                 .Text(write.purpose)
                                 .Int(absl::ToUnixMicros(write.secret.made))
                                 .Blob(write.secret.secret)
                                 .Run();
  if (!added.ok()) return added;
  return Sql("DELETE FROM secrets WHERE purpose = ?1 AND made_us NOT IN "
             "(SELECT made_us FROM secrets WHERE purpose = ?1 ORDER BY made_us DESC LIMIT ?2)")
      .Text(write.purpose)
      .Int(static_cast<int64_t>(kSecretsKept))
      .Run();
}

absl::Status SqliteWriter::Do(const SavePrice& write) {
  return Sql("INSERT OR REPLACE INTO prices(model, revision, row_ns, row_megapixel_ns) VALUES(?, ?, ?, ?)")
      .Blob(write.price.model)
      .Blob(write.price.revision)
      .Int(absl::ToInt64Nanoseconds(write.price.row))
      .Int(absl::ToInt64Nanoseconds(write.price.row_megapixel))
      .Run();
}

absl::StatusOr<int> SqliteWriter::Purge(const PurgeQuery& query, int limit) {
  std::vector<std::string> ids;
  int64_t used = 0;
  const std::string except = nlohmann::json(query.except).dump();
  const absl::Status status = Together([&] {
    SqliteStatement ended =
        query.tenant.empty() ? Sql("SELECT id FROM jobs WHERE tenant NOT IN (SELECT value FROM json_each(?)) "
                                   "AND ended_ms >= ? AND ended_ms < ? ORDER BY ended_ms LIMIT ?")
                             : Sql("SELECT id FROM jobs WHERE tenant = ? AND ended_ms >= ? AND ended_ms < ? "
                                   "ORDER BY ended_ms LIMIT ?");
    ended.Text(query.tenant.empty() ? except : query.tenant)
        .Int(absl::ToUnixMillis(query.ended_since))
        .Int(absl::ToUnixMillis(query.ended_before))
        .Int(limit);
    while (ended.Next()) ids.push_back(ended.Bytes(0));
    absl::Status deleted = ended.status();
    if (deleted.ok() && query.tenant.empty()) {
      deleted = Sql("DELETE FROM usage WHERE job_id IN (SELECT job_id FROM usage WHERE ended_ms < ? "
                    "ORDER BY ended_ms LIMIT ?)")
                    .Int(absl::ToUnixMillis(query.ended_before - kUsageKept))
                    .Int(limit)
                    .Run();
      used = sqlite3_changes64(connection_.get());
    }
    for (const std::string& id : ids) {
      if (deleted.ok()) deleted = Delete(id);
    }
    return deleted;
  });
  if (!status.ok()) return status;
  return static_cast<int>(std::max<int64_t>(static_cast<int64_t>(ids.size()), used));
}

absl::StatusOr<uint64_t> SqliteWriter::BytesUsed() {
  uint64_t bytes = blobs_.bytes();
  SqliteStatement pages =
      Sql("SELECT (page_count - freelist_count) * page_size "
          "FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()");
  if (pages.Next()) bytes += static_cast<uint64_t>(pages.Integer(0));
  if (!pages.status().ok()) return pages.status();
  return bytes;
}

void SqliteWriter::SetAside(const DamagedRow& row) {
  const absl::Status done = connection_.Together([&]() -> absl::Status {
    const absl::Status kept =
        Sql("INSERT OR IGNORE INTO damaged SELECT number, id, job FROM jobs WHERE number = ?")
            .Int(static_cast<int64_t>(row.number))
            .Run();
    return kept.ok() ? Do(EndJob{DamagedJob(row), DamagedEndSequence(epoch_)}) : kept;
  });
  LogError("a job's row cannot be read and is set aside",
           {{"job", Printable(row.id)}, {"set_aside", done.ok() ? "yes" : std::string(done.message())}});
}

}  // namespace mind::server
