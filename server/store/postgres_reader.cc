#include "server/store/postgres_reader.h"

#include <algorithm>
#include <limits>

#include "absl/strings/match.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"

// Statements are literals.
#define MIND_JOB_COLUMNS "SELECT job, number, tied, end_sequence, id, tenant"

namespace mind::server {
namespace {

// Jobs that a start reads at a time: it never holds all of them, and no statement takes long.
constexpr int kPage = 2000;
constexpr char kNoSuchColumn[] = "(42703)";  // PostgresError puts the SQLSTATE there

ImageMark ReadPostgresMark(const PostgresRows& rows, int row, int column) {
  return {static_cast<uint32_t>(rows.Integer(row, column)),
          static_cast<uint64_t>(rows.Integer(row, column + 1))};
}

// What clients ask for may be anything; the database refuses to look for what it could not hold.
bool MayBeId(const std::string& id) {
  return IsValidUtf8(id) && id.find('\0') == std::string::npos;
}

}  // namespace

StoredJob PostgresReader::ReadJob(const PostgresRows& rows, int row) {
  StoredJob stored;
  stored.number = static_cast<uint64_t>(rows.Integer(row, 1));
  stored.tied = rows.Integer(row, 2) != 0;
  stored.end_sequence = static_cast<uint64_t>(rows.Integer(row, 3));
  const DamagedRow identity{stored.number, rows.Text(row, 4), rows.Text(row, 5)};
  return ParseStoredJob(std::move(stored), rows.Bytes(row, 0), identity, epoch_, set_aside_);
}

absl::StatusOr<std::optional<StoredJob>> PostgresReader::Find(const std::string& tenant,
                                                              const std::string& id) {
  if (!MayBeId(id)) return std::nullopt;
  const auto found = connection_.Ask({
      PostgresCall(MIND_JOB_COLUMNS " FROM jobs WHERE id = $1 AND tenant = $2").Text(id).Text(tenant),
      PostgresCall("SELECT image_index, sequence FROM images WHERE job_id = "
                   "(SELECT id FROM jobs WHERE id = $1 AND tenant = $2) ORDER BY image_index")
          .Text(id)
          .Text(tenant),
  });
  if (!found.ok()) return found.status();
  const PostgresRows &jobs = (*found)[0], &marks = (*found)[1];
  if (jobs.size() == 0) return std::nullopt;
  StoredJob stored = ReadJob(jobs, 0);
  for (int row = 0; row < marks.size(); ++row) stored.images.push_back(ReadPostgresMark(marks, row, 0));
  return stored;
}

absl::StatusOr<std::optional<EarlierRequest>> PostgresReader::FindRequest(const std::string& tenant,
                                                                          const std::string& request_id) {
  const auto found = connection_.Ask(
      {PostgresCall(MIND_JOB_COLUMNS ", fingerprint FROM jobs WHERE tenant = $1 AND request_id = $2")
           .Text(tenant)
           .Text(request_id)});
  if (!found.ok()) return found.status();
  const PostgresRows& rows = found->front();
  if (rows.size() == 0) return std::nullopt;
  return EarlierRequest{ReadJob(rows, 0), rows.Text(0, 6)};
}

absl::StatusOr<std::vector<StoredJob>> PostgresReader::List(const JobQuery& query) {
  constexpr uint64_t kLast = std::numeric_limits<int64_t>::max();
  const std::vector<int> states(query.states.begin(), query.states.end());
  // Where labels are asked for, the first leads to the jobs in their order, and the others are looked up.
  PostgresCall call(query.labels.empty() ? MIND_JOB_COLUMNS
                        " FROM jobs WHERE tenant = $1 AND number < $2 "
                        "AND ($3::int[] = '{}' OR state = ANY($3::int[])) ORDER BY number DESC LIMIT $4"
                                         : MIND_JOB_COLUMNS
                        " FROM (SELECT number AS labelled FROM labels WHERE tenant = $1 AND number < $2 "
                        "AND name = ($5::text[])[1] AND text = ($6::text[])[1]) AS first "
                        "JOIN jobs ON number = labelled "
                        "WHERE ($3::int[] = '{}' OR state = ANY($3::int[])) AND NOT EXISTS("
                        "SELECT FROM unnest($5::text[], $6::text[]) AS asked(name, text) WHERE NOT EXISTS("
                        "SELECT FROM labels WHERE labels.tenant = $1 AND labels.name = asked.name "
                        "AND labels.text = asked.text AND labels.number = labelled)) "
                        "ORDER BY labelled DESC LIMIT $4");
  call.Text(query.tenant)
      .Int(static_cast<int64_t>(std::min(query.before, kLast)))
      .Ints(states)
      .Int(query.limit);
  if (!query.labels.empty()) {
    std::vector<std::string> names, texts;
    for (const auto& [name, text] : query.labels) {
      names.push_back(name);
      texts.push_back(text);
    }
    call.Texts(names).Texts(texts);
  }
  const auto found = connection_.Ask({std::move(call)});
  if (!found.ok()) return found.status();
  std::vector<StoredJob> jobs;
  for (int row = 0; row < found->front().size(); ++row) jobs.push_back(ReadJob(found->front(), row));
  return jobs;
}

absl::StatusOr<FoundSources> PostgresReader::FindSources(const std::string& job_id) {
  const auto found = connection_.Ask(
      {PostgresCall("SELECT hash, data, object FROM sources WHERE job_id = $1").Text(job_id)});
  if (!found.ok()) return found.status();
  FoundSources pictures;
  const PostgresRows& rows = found->front();
  for (int row = 0; row < rows.size(); ++row) {
    if (std::string key = rows.Text(row, 2); !key.empty()) {
      pictures.objects.push_back({std::move(key), rows.Text(row, 0)});
    } else {
      pictures.bytes[rows.Text(row, 0)] = rows.Text(row, 1);
    }
  }
  return pictures;
}

absl::StatusOr<std::optional<FoundImage>> PostgresReader::FindImage(const std::string& job_id,
                                                                    uint32_t index) {
  if (!MayBeId(job_id)) return std::nullopt;
  auto found = connection_.Ask({PostgresCall("SELECT seed, media_type, data, object, object_hash FROM images "
                                             "WHERE job_id = $1 AND image_index = $2")
                                    .Text(job_id)
                                    .Int(index)});
  // The leader is of a version that knew no objects, and so are the tables, until one of this version leads.
  if (absl::StrContains(found.status().message(), kNoSuchColumn)) {
    found = connection_.Ask({PostgresCall("SELECT seed, media_type, data, '', ''::bytea FROM images "
                                          "WHERE job_id = $1 AND image_index = $2")
                                 .Text(job_id)
                                 .Int(index)});
  }
  if (!found.ok()) return found.status();
  const PostgresRows& rows = found->front();
  if (rows.size() == 0) return std::nullopt;
  FoundImage image{.image = {.seed = static_cast<uint64_t>(rows.Integer(0, 0)),
                             .media_type = rows.Text(0, 1),
                             .data = rows.Text(0, 2)}};
  if (std::string key = rows.Text(0, 3); !key.empty()) {
    image.object = StoredObject{std::move(key), rows.Text(0, 4)};
  }
  return image;
}

absl::Status PostgresReader::ForEachUnfinished(const std::function<void(StoredJob)>& take) {
  int64_t after = 0;
  for (bool more = true; more;) {
    const auto found = connection_.Ask({
        PostgresCall(MIND_JOB_COLUMNS
                     " FROM jobs WHERE ended_ms IS NULL AND number > $1 ORDER BY number LIMIT $2")
            .Int(after)
            .Int(kPage),
        // The pictures of these, in the same order.
        PostgresCall("SELECT number, image_index, sequence FROM (SELECT number, id FROM jobs "
                     "WHERE ended_ms IS NULL AND number > $1 ORDER BY number LIMIT $2) AS page "
                     "JOIN images ON job_id = id ORDER BY number, image_index")
            .Int(after)
            .Int(kPage),
    });
    if (!found.ok()) return found.status();
    const PostgresRows &jobs = (*found)[0], &marks = (*found)[1];
    int mark = 0;
    for (int row = 0; row < jobs.size(); ++row) {
      StoredJob stored = ReadJob(jobs, row);
      after = static_cast<int64_t>(stored.number);
      for (; mark < marks.size() && marks.Integer(mark, 0) == after; ++mark) {
        stored.images.push_back(ReadPostgresMark(marks, mark, 1));
      }
      // What is being set aside has ended.
      if (!stored.job.has_end_time()) take(std::move(stored));
    }
    more = jobs.size() == kPage;
  }
  return absl::OkStatus();
}

absl::Status PostgresReader::ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>& take) {
  int64_t after = 0;
  for (bool more = true; more;) {
    const auto found = connection_.Ask(
        {PostgresCall(MIND_JOB_COLUMNS " FROM jobs WHERE webhook AND number > $1 ORDER BY number LIMIT $2")
             .Int(after)
             .Int(kPage)});
    if (!found.ok()) return found.status();
    const PostgresRows& jobs = found->front();
    for (int row = 0; row < jobs.size(); ++row) {
      const StoredJob stored = ReadJob(jobs, row);
      after = static_cast<int64_t>(stored.number);
      take(stored.job);
    }
    more = jobs.size() == kPage;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StoredSecret>> PostgresReader::Secrets(const std::string& purpose) {
  const auto found = connection_.Ask(
      {PostgresCall("SELECT secret, made_us FROM secrets WHERE purpose = $1 ORDER BY made_us DESC")
           .Text(purpose)});
  if (!found.ok()) return found.status();
  const PostgresRows& rows = found->front();
  std::vector<StoredSecret> secrets;
  for (int row = 0; row < rows.size(); ++row) {
    secrets.push_back({.secret = rows.Text(row, 0), .made = absl::FromUnixMicros(rows.Integer(row, 1))});
  }
  return secrets;
}

absl::StatusOr<std::vector<StoredPrice>> PostgresReader::Prices() {
  const auto found =
      connection_.Ask({PostgresCall("SELECT model, revision, row_ns, row_megapixel_ns FROM prices")});
  if (!found.ok()) return found.status();
  const PostgresRows& rows = found->front();
  std::vector<StoredPrice> prices;
  for (int row = 0; row < rows.size(); ++row) {
    prices.push_back({.model = rows.Text(row, 0),
                      .revision = rows.Text(row, 1),
                      .row = absl::Nanoseconds(rows.Integer(row, 2)),
                      .row_megapixel = absl::Nanoseconds(rows.Integer(row, 3))});
  }
  return prices;
}

absl::StatusOr<std::vector<v1::Model>> PostgresReader::Models() {
  const auto found = connection_.Ask({PostgresCall("SELECT model, name FROM models ORDER BY name")});
  if (!found.ok()) return found.status();
  const PostgresRows& rows = found->front();
  std::vector<v1::Model> models;
  for (int row = 0; row < rows.size(); ++row) {
    const std::string_view bytes = rows.Bytes(row, 0);
    if (models.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) continue;
    // The next worker that offers it describes it anew.
    LogError("a model's row cannot be read and is left out", {{"model", Printable(rows.Bytes(row, 1))}});
    models.pop_back();
  }
  return models;
}

absl::StatusOr<std::vector<v1::Usage>> PostgresReader::ListUsage(const UsageQuery& query) {
  const auto found = connection_.Ask(
      {PostgresCall(
           "SELECT ended_ms / 86400000 AS day, tenant, key_id, model, COUNT(*), SUM(images)::bigint, "
           "SUM(steps)::bigint, SUM(worker_us)::bigint FROM usage WHERE ended_ms >= $1 AND "
           "ended_ms < $2 AND ($3 = '' OR tenant = $3) GROUP BY day, tenant, key_id, model "
           "ORDER BY day, tenant, key_id, model LIMIT $4")
           .Int(absl::ToUnixMillis(query.from))
           .Int(absl::ToUnixMillis(query.to))
           .Text(query.tenant)
           .Int(query.limit)});
  if (!found.ok()) return found.status();
  const PostgresRows& rows = found->front();
  std::vector<v1::Usage> usage;
  for (int row = 0; row < rows.size(); ++row) {
    v1::Usage& one = usage.emplace_back();
    one.mutable_day()->set_seconds(rows.Integer(row, 0) * 86'400);
    one.set_tenant(rows.Text(row, 1));
    one.set_key_id(rows.Text(row, 2));
    one.set_model(rows.Text(row, 3));
    one.set_jobs(static_cast<uint64_t>(rows.Integer(row, 4)));
    one.set_images(static_cast<uint64_t>(rows.Integer(row, 5)));
    one.set_steps(static_cast<uint64_t>(rows.Integer(row, 6)));
    one.set_worker_seconds(1e-6 * static_cast<double>(rows.Integer(row, 7)));
  }
  return usage;
}

absl::StatusOr<std::vector<UsedTime>> PostgresReader::UsedSince(absl::Time since) {
  const auto found = connection_.Run(
      {PostgresCall("SELECT tenant, ended_ms / 60000 AS minute, SUM(worker_us)::bigint FROM usage WHERE "
                    "ended_ms >= $1 GROUP BY minute, tenant ORDER BY minute")
           .Int(absl::ToUnixMillis(since))});
  if (!found.ok()) return found.status();
  const PostgresRows& rows = found->front();
  std::vector<UsedTime> used;
  for (int row = 0; row < rows.size(); ++row) {
    used.push_back({.tenant = rows.Text(row, 0),
                    .ended = absl::FromUnixSeconds(60 * rows.Integer(row, 1)),
                    .worker_seconds = 1e-6 * static_cast<double>(rows.Integer(row, 2))});
  }
  return used;
}

}  // namespace mind::server
