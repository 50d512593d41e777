#include "server/store/postgres_writer.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/store/postgres_error.h"
#include "server/store/postgres_schema.h"
#include "server/store/postgres_session.h"

namespace mind::server {
namespace {

// Of jobs that a statement deletes: a row each, and one of each object that goes with them.
#define MIND_OBJECTS_OF_GONE                                                               \
  " SELECT NULL::text AS object FROM gone UNION ALL "                                      \
  "SELECT object FROM images JOIN gone ON job_id = id WHERE object IS NOT NULL UNION ALL " \
  "SELECT object FROM sources JOIN gone ON job_id = id WHERE object IS NOT NULL"

// In this order: not this session as well. Gives those that are still there.
constexpr char kEndOthers[] =
    "WITH others AS MATERIALIZED (SELECT pid FROM pg_stat_activity "
    "WHERE application_name = $1 AND pid <> pg_backend_pid()) "
    "SELECT pid FROM others WHERE NOT pg_terminate_backend(pid, 5000)";

}  // namespace

class PostgresWriter::Calls {
 public:
  // A transaction of this term's. `objects` must outlive it.
  explicit Calls(uint64_t term, const BatchObjects& objects = {}) : objects_(objects) {
    calls_.emplace_back("BEGIN");
    calls_.push_back(FenceOf(term));
  }

  void Add(PostgresCall call) { calls_.push_back(std::move(call)); }
  void Add(const InsertJob& write);
  void Add(const UpdateJob& write);
  void Add(const EndJob& write);
  void Add(const UntieJob& write);
  void Add(const ForgetJob& write);
  void Add(const AddImage& write);
  void Add(const SaveModel& write);
  void Add(const SettleWebhook& write);
  void Add(const AddSecret& write);
  void Add(const SavePrice& write);
  const std::vector<PostgresCall>& Done() {
    calls_.emplace_back("COMMIT");
    return calls_;
  }

 private:
  std::string_view Keep(std::string bytes) { return kept_.emplace_back(std::move(bytes)); }

  const BatchObjects objects_;
  std::vector<PostgresCall> calls_;
  std::deque<std::string> kept_;
};

void PostgresWriter::Calls::Add(const InsertJob& write) {
  if (!write.key.replaces.empty()) {
    Add(PostgresCall("UPDATE jobs SET request_id = NULL, fingerprint = NULL WHERE id = $1")
            .Text(write.key.replaces));
  }
  PostgresCall insert(
      "INSERT INTO jobs(id, tenant, state, job, tied, request_id, fingerprint) "
      "VALUES($1, $2, $3, $4, $5::int <> 0, $6, $7) ON CONFLICT(id) DO NOTHING");
  insert.Text(write.job.id())
      .Text(write.job.tenant())
      .Int(write.job.state())
      .Bytes(Keep(write.job.SerializeAsString()))
      .Int(write.tied ? 1 : 0);
  if (write.key.request_id.empty()) {
    insert.Null().Null();
  } else {
    insert.Text(write.key.request_id).Bytes(write.key.fingerprint);
  }
  Add(std::move(insert));
  for (const auto& [name, text] : write.job.labels()) {
    Add(PostgresCall("INSERT INTO labels(tenant, name, text, number) "
                     "SELECT tenant, $2, $3, number FROM jobs WHERE id = $1 ON CONFLICT DO NOTHING")
            .Text(write.job.id())
            .Text(name)
            .Text(text));
  }
  for (const Blob& picture : write.pictures) {
    PostgresCall keep(
        "INSERT INTO sources(job_id, hash, data, object) VALUES($1, $2, $3, $4) ON CONFLICT DO NOTHING");
    keep.Text(write.job.id()).Bytes(picture.hash);
    if (const StoredObject* const object = objects_.Find(write.job.id(), *picture.data)) {
      keep.Bytes("").Text(object->key);
    } else {
      keep.Bytes(*picture.data).Null();
    }
    Add(std::move(keep));
  }
}

void PostgresWriter::Calls::Add(const UpdateJob& write) {
  Add(PostgresCall("UPDATE jobs SET state = $2, job = $3 WHERE id = $1 AND ended_ms IS NULL")
          .Text(write.job.id())
          .Int(write.job.state())
          .Bytes(Keep(write.job.SerializeAsString())));
}

void PostgresWriter::Calls::Add(const EndJob& write) {
  Add(PostgresCall("INSERT INTO usage(job_id, ended_ms, tenant, key_id, model, images, steps, worker_us) "
                   "VALUES($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING")
          .Text(write.job.id())
          .Int(absl::ToUnixMillis(FromTimestamp(write.job.end_time())))
          .Text(write.job.tenant())
          .Text(write.job.key_id())
          .Bytes(write.job.spec().model())
          .Int(write.job.images_done())
          .Int(StepsUsed(write.job))
          .Int(static_cast<int64_t>(write.job.worker_seconds() * 1e6)));
  Add(PostgresCall(
          "UPDATE jobs SET state = $2, job = $3, ended_ms = $4, end_sequence = $5, webhook = $6::int <> 0 "
          "WHERE id = $1")
          .Text(write.job.id())
          .Int(write.job.state())
          .Bytes(Keep(write.job.SerializeAsString()))
          .Int(absl::ToUnixMillis(FromTimestamp(write.job.end_time())))
          .Int(static_cast<int64_t>(write.sequence))
          .Int(write.job.webhook_url().empty() ? 0 : 1));
}

void PostgresWriter::Calls::Add(const UntieJob& write) {
  Add(PostgresCall("UPDATE jobs SET tied = false WHERE id = $1").Text(write.id));
}

void PostgresWriter::Calls::Add(const ForgetJob& write) {
  Add(PostgresCall("WITH gone AS (DELETE FROM jobs WHERE id = $1 RETURNING id)" MIND_OBJECTS_OF_GONE)
          .Text(write.id));
}

void PostgresWriter::Calls::Add(const AddImage& write) {
  // Of a job that is there: another would make the batch fail for ever.
  PostgresCall insert(
      "INSERT INTO images(job_id, image_index, seed, media_type, sequence, data, object, object_hash) "
      "SELECT id, $2, $3, $4, $5, $6, $7, $8 FROM jobs WHERE id = $1 ON CONFLICT DO NOTHING");
  insert.Text(write.job_id)
      .Int(write.index)
      .Int(static_cast<int64_t>(write.seed))
      .Text(write.media_type)
      .Int(static_cast<int64_t>(write.sequence));
  const StoredObject* const object =
      write.object.has_value() ? &*write.object : objects_.Find(write.job_id, *write.data);
  if (object != nullptr) {
    insert.Bytes("").Text(object->key).Bytes(object->hash);
  } else {
    insert.Bytes(*write.data).Null().Null();
  }
  Add(std::move(insert));
}

void PostgresWriter::Calls::Add(const SaveModel& write) {
  Add(PostgresCall("INSERT INTO models VALUES($1, $2) ON CONFLICT(name) DO UPDATE SET model = $2")
          .Bytes(write.model.name())
          .Bytes(Keep(write.model.SerializeAsString())));
}

void PostgresWriter::Calls::Add(const SettleWebhook& write) {
  Add(PostgresCall("UPDATE jobs SET webhook = false WHERE id = $1").Text(write.id));
}

void PostgresWriter::Calls::Add(const AddSecret& write) {
  Add(PostgresCall("INSERT INTO secrets(purpose, made_us, secret) VALUES($1, $2, $3) ON CONFLICT DO NOTHING")
          .Text(write.purpose)
          .Int(absl::ToUnixMicros(write.secret.made))
          .Bytes(write.secret.secret));
  Add(PostgresCall("DELETE FROM secrets WHERE purpose = $1 AND made_us NOT IN "
                   "(SELECT made_us FROM secrets WHERE purpose = $1 ORDER BY made_us DESC LIMIT $2)")
          .Text(write.purpose)
          .Int(static_cast<int64_t>(kSecretsKept)));
}

void PostgresWriter::Calls::Add(const SavePrice& write) {
  Add(PostgresCall("INSERT INTO prices(model, revision, row_ns, row_megapixel_ns) VALUES($1, $2, $3, $4) "
                   "ON CONFLICT(model) DO UPDATE SET revision = $2, row_ns = $3, row_megapixel_ns = $4")
          .Bytes(write.price.model)
          .Bytes(write.price.revision)
          .Int(absl::ToInt64Nanoseconds(write.price.row))
          .Int(absl::ToInt64Nanoseconds(write.price.row_megapixel)));
}

PostgresWriter::PostgresWriter(const std::string& url, const std::string& holder, uint64_t term,
                               ObjectStore* objects)
    : session_(WriterSession(holder)),
      term_(term),
      object_writer_(objects),
      connection_(url, session_,
                  [this](PostgresConnection& connection) { return BeginSession(connection); }) {}

absl::Status PostgresWriter::BeginSession(PostgresConnection& connection) {
  const auto alive = connection.Run({PostgresCall(kEndOthers).Text(session_)});
  if (!alive.ok()) return alive.status();
  if (alive->front().size() > 0) return PostgresLost("an earlier session has not ended yet");
  return ReadDurability(connection);
}

absl::Status PostgresWriter::ReadDurability(PostgresConnection& connection) {
  const auto found = connection.Run(
      {PostgresCall("SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', "
                    "'synchronous_commit', 'synchronous_standby_names') ORDER BY name")});
  if (!found.ok()) return found.status();
  std::map<std::string, std::string> settings;
  const PostgresRows& rows = found->front();
  for (int row = 0; row < rows.size(); ++row) settings[rows.Text(row, 0)] = rows.Text(row, 1);
  StoreDurability now;
  const std::string& commit = settings["synchronous_commit"];
  now.disk = settings["fsync"] == "on" && settings["full_page_writes"] == "on" && commit != "off";
  now.standby = !settings["synchronous_standby_names"].empty() && commit != "off" && commit != "local";
  now.settings = absl::StrJoin(settings, ", ", absl::PairFormatter(" = "));
  {
    const absl::MutexLock lock(&mutex_);
    if (now == std::exchange(durability_, now)) return absl::OkStatus();
  }
  if (!now.disk) {
    LogWarning("a power cut may lose jobs that were accepted: the database does not wait for its disk",
               {{"settings", now.settings}});
  } else if (!now.standby) {
    LogWarning("a failover may lose the last jobs that were accepted: no standby is waited for",
               {{"settings", now.settings}});
  } else {
    LogInfo("what is accepted is on the disk and on a standby's", {{"settings", now.settings}});
  }
  return absl::OkStatus();
}

absl::Status PostgresWriter::Prepare() {
  return BringUpToDate(connection_, term_);
}

absl::Status PostgresWriter::Commit(const StoreBatch& batch) {
  const absl::StatusOr<BatchObjects> objects = object_writer_.Put(batch);
  if (!objects.ok()) return objects.status();
  Calls calls(term_, *objects);
  for (const StoreWrite& write : batch) {
    std::visit([&](const auto& one) { calls.Add(one); }, write);
  }
  const auto done = connection_.Run(calls.Done());
  if (!done.ok()) return done.status();
  DeleteObjects(*done);
  return absl::OkStatus();
}

int PostgresWriter::DeleteObjects(absl::Span<const PostgresRows> answers) {
  int jobs = 0;
  std::vector<std::string> keys;
  for (const PostgresRows& rows : answers) {
    for (int row = 0; row < rows.size(); ++row) {
      std::string key = rows.Text(row, 0);
      key.empty() ? void(++jobs) : keys.push_back(std::move(key));
    }
  }
  object_writer_.Delete(keys);
  return jobs;
}

absl::StatusOr<int> PostgresWriter::Purge(const PurgeQuery& query, int limit) {
  Calls calls(term_);
  const auto in_time = [&](PostgresCall call) {
    call.Int(absl::ToUnixMillis(query.ended_since)).Int(absl::ToUnixMillis(query.ended_before)).Int(limit);
    return call;
  };
  if (query.tenant.empty()) {
    // Settings may change while the database runs.
    if (absl::Status read = ReadDurability(connection_); !read.ok()) return read;
    calls.Add(in_time(PostgresCall("WITH gone AS (DELETE FROM jobs WHERE number IN ("
                                   "SELECT number FROM jobs WHERE ended_ms >= $1 AND ended_ms < $2 "
                                   "AND tenant <> ALL($4::text[]) ORDER BY ended_ms LIMIT $3 "
                                   "FOR UPDATE SKIP LOCKED) RETURNING id)" MIND_OBJECTS_OF_GONE))
                  .Texts(query.except));
    calls.Add(PostgresCall("DELETE FROM usage WHERE job_id IN (SELECT job_id FROM usage WHERE ended_ms < $1 "
                           "ORDER BY ended_ms LIMIT $2)")
                  .Int(absl::ToUnixMillis(query.ended_before - kUsageKept))
                  .Int(limit));
  } else {
    calls.Add(in_time(PostgresCall("WITH gone AS (DELETE FROM jobs WHERE number IN ("
                                   "SELECT number FROM jobs WHERE tenant = $4 AND ended_ms >= $1 "
                                   "AND ended_ms < $2 ORDER BY ended_ms LIMIT $3 "
                                   "FOR UPDATE SKIP LOCKED) RETURNING id)" MIND_OBJECTS_OF_GONE))
                  .Text(query.tenant));
  }
  const auto done = connection_.Run(calls.Done());
  if (!done.ok()) return done.status();
  // What has begun the transaction, the fence, the jobs, what was used, and what has ended it.
  const int jobs = DeleteObjects(absl::MakeConstSpan(*done).subspan(2, 1));
  const int64_t used = query.tenant.empty() ? done->at(3).changed() : 0;
  return static_cast<int>(std::max<int64_t>(jobs, used));
}

void PostgresWriter::SetAside(const DamagedRow& row) {
  Calls calls(term_);
  calls.Add(PostgresCall("INSERT INTO damaged SELECT number, id, job FROM jobs WHERE number = $1 "
                         "ON CONFLICT DO NOTHING")
                .Int(static_cast<int64_t>(row.number)));
  const EndJob end{DamagedJob(row), DamagedEndSequence(term_)};
  calls.Add(end);
  const absl::Status done = connection_.Run(calls.Done()).status();
  LogError("a job's row cannot be read and is set aside",
           {{"job", Printable(row.id)}, {"set_aside", done.ok() ? "yes" : std::string(done.message())}});
}

StoreDurability PostgresWriter::durability() const {
  const absl::MutexLock lock(&mutex_);
  return durability_;
}

}  // namespace mind::server
