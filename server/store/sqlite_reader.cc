#include "server/store/sqlite_reader.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"

// Statements are literals.
#define MIND_JOB_COLUMNS "SELECT job, number, tied, end_sequence, id, tenant"

namespace mind::server {
namespace {

ImageMark ReadSqliteMark(const SqliteStatement& row, int column) {
  return {static_cast<uint32_t>(row.Integer(column)), static_cast<uint64_t>(row.Integer(column + 1))};
}

}  // namespace

StoredJob SqliteReader::ReadJob(const SqliteStatement& row) {
  StoredJob stored;
  stored.number = static_cast<uint64_t>(row.Integer(1));
  stored.tied = row.Integer(2) != 0;
  stored.end_sequence = static_cast<uint64_t>(row.Integer(3));
  const DamagedRow identity{stored.number, row.Bytes(4), row.Bytes(5)};
  return ParseStoredJob(std::move(stored), row.Bytes(0), identity, epoch_, set_aside_);
}

absl::StatusOr<std::vector<ImageMark>> SqliteReader::ImagesOf(const std::string& job_id) {
  SqliteStatement rows =
      Sql("SELECT image_index, sequence FROM images WHERE job_id = ? ORDER BY image_index");
  rows.Text(job_id);
  std::vector<ImageMark> images;
  while (rows.Next()) images.push_back(ReadSqliteMark(rows, 0));
  if (!rows.status().ok()) return rows.status();
  return images;
}

absl::StatusOr<std::optional<StoredJob>> SqliteReader::Find(const std::string& tenant,
                                                            const std::string& id) {
  SqliteStatement row = Sql(MIND_JOB_COLUMNS " FROM jobs WHERE id = ? AND tenant = ?");
  row.Text(id).Text(tenant);
  if (!row.Next()) {
    if (!row.status().ok()) return row.status();
    return std::nullopt;
  }
  StoredJob stored = ReadJob(row);
  absl::StatusOr<std::vector<ImageMark>> images = ImagesOf(id);
  if (!images.ok()) return images.status();
  stored.images = *std::move(images);
  return stored;
}

absl::StatusOr<std::optional<EarlierRequest>> SqliteReader::FindRequest(const std::string& tenant,
                                                                        const std::string& request_id) {
  SqliteStatement row = Sql(MIND_JOB_COLUMNS ", fingerprint FROM jobs WHERE tenant = ? AND request_id = ?");
  row.Text(tenant).Text(request_id);
  std::optional<EarlierRequest> earlier;
  if (row.Next()) earlier = EarlierRequest{ReadJob(row), row.Bytes(6)};
  if (!row.status().ok()) return row.status();
  return earlier;
}

absl::StatusOr<std::vector<StoredJob>> SqliteReader::List(const JobQuery& query) {
  // Where labels are asked for, the first leads to the jobs in their order, and the others are looked up.
  std::string sql = query.labels.empty() ? MIND_JOB_COLUMNS " FROM jobs WHERE tenant = ? AND number < ?"
                                         : MIND_JOB_COLUMNS
                        " FROM (SELECT number AS labelled FROM labels WHERE tenant = ? AND number < ? "
                        "AND name = ? AND text = ?) CROSS JOIN jobs ON number = labelled WHERE true";
  for (size_t i = 1; i < query.labels.size(); ++i) {
    absl::StrAppend(
        &sql,
        " AND EXISTS(SELECT 1 FROM labels AS other WHERE other.tenant = jobs.tenant AND name = ? AND "
        "text = ? AND other.number = jobs.number)");
  }
  if (!query.states.empty()) {
    const auto number = [](std::string* out, v1::JobState state) {
      absl::StrAppend(out, static_cast<int>(state));
    };
    absl::StrAppend(&sql, " AND state IN (", absl::StrJoin(query.states, ", ", number), ")");
  }
  absl::StrAppend(&sql, " ORDER BY ", query.labels.empty() ? "number" : "labelled", " DESC LIMIT ",
                  query.limit);
  const auto before = static_cast<int64_t>(
      std::min<uint64_t>(query.before, static_cast<uint64_t>(std::numeric_limits<int64_t>::max())));
  SqliteStatement rows(connection_.get(), sql);
  rows.Text(query.tenant).Int(before);
  for (const auto& [name, text] : query.labels) rows.Text(name).Text(text);
  std::vector<StoredJob> jobs;
  while (rows.Next()) jobs.push_back(ReadJob(rows));
  if (!rows.status().ok()) return rows.status();
  return jobs;
}

absl::StatusOr<FoundSources> SqliteReader::FindSources(const std::string& job_id) {
  SqliteStatement rows = Sql("SELECT hash, data, object FROM sources WHERE job_id = ?");
  rows.Text(job_id);
  FoundSources pictures;
  while (rows.Next()) {
    const std::string hash = rows.Bytes(0);
    std::string data = rows.Bytes(1);
    if (std::string key = rows.Bytes(2); !key.empty()) {
      pictures.objects.push_back({std::move(key), hash});
      continue;
    }
    if (data.empty()) {
      absl::StatusOr<std::optional<std::string>> blob = blobs_.Get(hash);
      if (!blob.ok()) return blob.status();
      if (!blob->has_value()) return SourceGone(job_id);
      data = **std::move(blob);
    }
    pictures.bytes[hash] = std::move(data);
  }
  if (!rows.status().ok()) return rows.status();
  return pictures;
}

absl::StatusOr<std::optional<FoundImage>> SqliteReader::FindImage(const std::string& job_id, uint32_t index) {
  SqliteStatement row =
      Sql("SELECT seed, media_type, data, hash, object FROM images WHERE job_id = ? AND image_index = ?");
  row.Text(job_id).Int(index);
  if (!row.Next()) {
    if (!row.status().ok()) return row.status();
    return std::nullopt;
  }
  StoredImage image{
      .seed = static_cast<uint64_t>(row.Integer(0)), .media_type = row.Bytes(1), .data = row.Bytes(2)};
  if (!image.data.empty()) return FoundImage{std::move(image), std::nullopt};
  if (std::string key = row.Bytes(4); !key.empty()) {
    return FoundImage{std::move(image), StoredObject{std::move(key), row.Bytes(3)}};
  }
  absl::StatusOr<std::optional<std::string>> blob = blobs_.Get(row.Bytes(3));
  if (!blob.ok()) return blob.status();
  if (!blob->has_value()) return std::nullopt;
  image.data = **std::move(blob);
  return FoundImage{std::move(image), std::nullopt};
}

absl::Status SqliteReader::ForEachUnfinished(const std::function<void(StoredJob)>& take) {
  // Two walks in one order, so that no job is asked about by itself.
  SqliteStatement marks =
      Sql("SELECT number, image_index, sequence FROM jobs JOIN images ON job_id = id "
          "WHERE ended_ms IS NULL ORDER BY number, image_index");
  SqliteStatement jobs = Sql(MIND_JOB_COLUMNS " FROM jobs WHERE ended_ms IS NULL ORDER BY number");
  bool more = marks.Next();
  while (jobs.Next()) {
    StoredJob stored = ReadJob(jobs);
    while (more && static_cast<uint64_t>(marks.Integer(0)) <= stored.number) {
      if (static_cast<uint64_t>(marks.Integer(0)) == stored.number) {
        stored.images.push_back(ReadSqliteMark(marks, 1));
      }
      more = marks.Next();
    }
    // What is being set aside has ended.
    if (!stored.job.has_end_time()) take(std::move(stored));
  }
  return marks.status().ok() ? jobs.status() : marks.status();
}

absl::Status SqliteReader::ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) {
  SqliteStatement jobs = Sql(MIND_JOB_COLUMNS " FROM jobs WHERE webhook != 0 ORDER BY number");
  while (jobs.Next()) take(ReadJob(jobs).job);
  return jobs.status();
}

absl::StatusOr<std::vector<StoredSecret>> SqliteReader::Secrets(const std::string& purpose) {
  SqliteStatement rows = Sql("SELECT secret, made_us FROM secrets WHERE purpose = ? ORDER BY made_us DESC");
  rows.Text(purpose);
  std::vector<StoredSecret> secrets;
  while (rows.Next())
    secrets.push_back({.secret = rows.Bytes(0), .made = absl::FromUnixMicros(rows.Integer(1))});
  if (!rows.status().ok()) return rows.status();
  return secrets;
}

absl::StatusOr<std::vector<StoredPrice>> SqliteReader::Prices() {
  SqliteStatement rows = Sql("SELECT model, revision, row_ns, row_megapixel_ns FROM prices");
  std::vector<StoredPrice> prices;
  while (rows.Next()) {
    prices.push_back({.model = rows.Bytes(0),
                      .revision = rows.Bytes(1),
                      .row = absl::Nanoseconds(rows.Integer(2)),
                      .row_megapixel = absl::Nanoseconds(rows.Integer(3))});
  }
  if (!rows.status().ok()) return rows.status();
  return prices;
}

absl::StatusOr<std::vector<v1::Model>> SqliteReader::Models() {
  SqliteStatement rows = Sql("SELECT model, name FROM models ORDER BY name");
  std::vector<v1::Model> models;
  while (rows.Next()) {
    if (models.emplace_back().ParseFromString(rows.Bytes(0))) continue;
    // The next worker that offers it describes it anew.
    LogError("a model's row cannot be read and is left out", {{"model", Printable(rows.Bytes(1))}});
    models.pop_back();
  }
  if (!rows.status().ok()) return rows.status();
  return models;
}

absl::StatusOr<std::vector<v1::Usage>> SqliteReader::ListUsage(const UsageQuery& query) {
  SqliteStatement rows =
      Sql("SELECT ended_ms / 86400000 AS day, tenant, key_id, model, COUNT(*), SUM(images), SUM(steps), "
          "SUM(worker_us) FROM usage WHERE ended_ms >= ?1 AND ended_ms < ?2 AND (?3 = '' OR tenant = ?3) "
          "GROUP BY day, tenant, key_id, model ORDER BY day, tenant, key_id, model LIMIT ?4");
  rows.Int(absl::ToUnixMillis(query.from))
      .Int(absl::ToUnixMillis(query.to))
      .Text(query.tenant)
      .Int(query.limit);
  std::vector<v1::Usage> usage;
  while (rows.Next()) {
    v1::Usage& one = usage.emplace_back();
    one.mutable_day()->set_seconds(rows.Integer(0) * 86'400);
    one.set_tenant(rows.Bytes(1));
    one.set_key_id(rows.Bytes(2));
    one.set_model(rows.Bytes(3));
    one.set_jobs(static_cast<uint64_t>(rows.Integer(4)));
    one.set_images(static_cast<uint64_t>(rows.Integer(5)));
    one.set_steps(static_cast<uint64_t>(rows.Integer(6)));
    one.set_worker_seconds(1e-6 * static_cast<double>(rows.Integer(7)));
  }
  if (!rows.status().ok()) return rows.status();
  return usage;
}

absl::StatusOr<std::vector<UsedTime>> SqliteReader::UsedSince(absl::Time since) {
  SqliteStatement rows =
      Sql("SELECT tenant, ended_ms / 60000 AS minute, SUM(worker_us) FROM usage WHERE ended_ms >= ? "
          "GROUP BY minute, tenant ORDER BY minute");
  rows.Int(absl::ToUnixMillis(since));
  std::vector<UsedTime> used;
  while (rows.Next()) {
    used.push_back({.tenant = rows.Bytes(0),
                    .ended = absl::FromUnixSeconds(60 * rows.Integer(1)),
                    .worker_seconds = 1e-6 * static_cast<double>(rows.Integer(2))});
  }
  if (!rows.status().ok()) return rows.status();
  return used;
}

}  // namespace mind::server
