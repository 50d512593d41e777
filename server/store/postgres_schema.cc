#include "server/store/postgres_schema.h"

#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"

namespace mind::server {
namespace {

// One at a time changes tables. The number is nobody else's: it stands for this program.
constexpr char kLock[] = "SELECT pg_advisory_xact_lock(7308332182941233780)";
constexpr char kBegin[] = "BEGIN", kCommit[] = "COMMIT", kRollback[] = "ROLLBACK";

// What servers of all versions agree on. Commits lock the row's key, which is the term: so renewing does not
// wait for them, nor they for it, but taking the term does.
constexpr char kTerm[] = R"sql(
  CREATE TABLE IF NOT EXISTS term(
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    term bigint NOT NULL UNIQUE,
    holder text NOT NULL,
    address text NOT NULL,
    beat bigint NOT NULL,
    version integer NOT NULL) WITH (fillfactor = 10);
  INSERT INTO term VALUES(true, 0, '', '', 0, 0) ON CONFLICT DO NOTHING;
  CREATE OR REPLACE FUNCTION fence(mine bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM 1 FROM term WHERE term.term = mine FOR KEY SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'another server decides: term % is over', mine USING ERRCODE = 'MD001';
    END IF;
  END $$;
)sql";

// Version 1. `job` is the serialized v1.Job, the other columns are what is searched by. Workers name models
// as they like: those are no texts to the database, which takes no zero bytes in one. Pictures do not get
// smaller by another compression.
constexpr char kTables[] = R"sql(
  CREATE TABLE jobs(
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    tenant text COLLATE "C" NOT NULL,
    request_id text COLLATE "C",
    fingerprint bytea,
    state smallint NOT NULL,
    tied boolean NOT NULL,
    ended_ms bigint,
    end_sequence bigint NOT NULL DEFAULT 0,
    job bytea NOT NULL);
  CREATE UNIQUE INDEX jobs_by_request ON jobs(tenant, request_id) WHERE request_id IS NOT NULL;
  CREATE INDEX jobs_by_tenant ON jobs(tenant, number);
  CREATE INDEX jobs_unfinished ON jobs(number) WHERE ended_ms IS NULL;
  CREATE INDEX jobs_ended ON jobs(ended_ms) WHERE ended_ms IS NOT NULL;
  CREATE TABLE images(
    job_id text COLLATE "C" NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    image_index integer NOT NULL,
    seed bigint NOT NULL,
    media_type text NOT NULL,
    sequence bigint NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY(job_id, image_index));
  ALTER TABLE images ALTER data SET STORAGE EXTERNAL;
  CREATE TABLE sources(
    job_id text COLLATE "C" NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
    hash bytea NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY(job_id, hash));
  ALTER TABLE sources ALTER data SET STORAGE EXTERNAL;
  CREATE TABLE models(name bytea PRIMARY KEY, model bytea NOT NULL);
  CREATE TABLE damaged(number bigint PRIMARY KEY, id text NOT NULL, job bytea NOT NULL);
)sql";

// Version 2. Jobs are found by their labels; those whose end is still to be told; secrets by purpose.
constexpr char kFaces[] = R"sql(
  CREATE TABLE labels(
    tenant text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    text text COLLATE "C" NOT NULL,
    number bigint NOT NULL REFERENCES jobs(number) ON DELETE CASCADE,
    PRIMARY KEY(tenant, name, text, number));
  CREATE INDEX labels_by_job ON labels(number);
  ALTER TABLE jobs ADD COLUMN webhook boolean NOT NULL DEFAULT false;
  CREATE INDEX jobs_to_tell ON jobs(number) WHERE webhook;
  CREATE TABLE secrets(
    purpose text COLLATE "C" NOT NULL,
    made_us bigint NOT NULL,
    secret bytea NOT NULL,
    PRIMARY KEY(purpose, made_us));
)sql";

// Version 3. States of pictures, which a crash of the database may take: they are not logged. What models
// cost.
constexpr char kStates[] = R"sql(
  CREATE UNLOGGED TABLE checkpoints(
    job_id text COLLATE "C" NOT NULL,
    image_index integer NOT NULL,
    attempt integer NOT NULL,
    step integer NOT NULL,
    revision bytea NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY(job_id, image_index));
  ALTER TABLE checkpoints ALTER data SET STORAGE EXTERNAL;
  CREATE TABLE prices(
    model bytea PRIMARY KEY,
    revision bytea NOT NULL,
    row_ns bigint NOT NULL,
    row_megapixel_ns bigint NOT NULL);
)sql";

// Version 4. Keys and what tenants may take: `key` is a serialized StoredKey, `limits` TenantLimits.
constexpr char kTrust[] = R"sql(
  CREATE TABLE api_keys(id text COLLATE "C" PRIMARY KEY, tenant text COLLATE "C" NOT NULL, key bytea NOT NULL);
  CREATE TABLE tenants(name text COLLATE "C" PRIMARY KEY, limits bytea NOT NULL);
)sql";

// Version 5. Pictures may be objects outside: their rows have no data, but the object's key, and its hash.
constexpr char kObjects[] = R"sql(
  ALTER TABLE images ADD COLUMN object text COLLATE "C", ADD COLUMN object_hash bytea;
  ALTER TABLE sources ADD COLUMN object text COLLATE "C";
)sql";

// Version 6. What jobs that have ended have used, which is known longer than they are.
constexpr char kUsage[] = R"sql(
  CREATE TABLE usage(
    job_id text COLLATE "C" PRIMARY KEY,
    ended_ms bigint NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    key_id text COLLATE "C" NOT NULL,
    model bytea NOT NULL,
    images bigint NOT NULL,
    steps bigint NOT NULL,
    worker_us bigint NOT NULL);
  CREATE INDEX usage_by_time ON usage(ended_ms);
)sql";

// Version 7. Jobs of a tenant that have ended are found by when: it may keep them for a time of its own.
constexpr char kRetention[] = R"sql(
  CREATE INDEX jobs_ended_of_tenant ON jobs(tenant, ended_ms) WHERE ended_ms IS NOT NULL;
)sql";

// How a schema becomes one of a version, when it is one of that before.
constexpr const char* kVersions[] = {kTables, kFaces, kStates, kTrust, kObjects, kUsage, kRetention};
constexpr int64_t kPostgresVersion = std::size(kVersions);

absl::Status CheckVersion(int64_t found) {
  if (found <= kPostgresVersion) return absl::OkStatus();
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("made by a newer mind-server: its tables are of version ", found,
                                ", this one knows up to ", kPostgresVersion),
                   "STORE_NEWER");
}

// All that `work` does, while nobody else changes tables; or nothing.
template <typename Work>
absl::Status Alone(PostgresConnection& connection, const Work& work) {
  if (auto begun = connection.Run({PostgresCall(kBegin), PostgresCall(kLock)}); !begun.ok()) {
    return begun.status();
  }
  absl::Status status = work();
  const auto ended = connection.Run({PostgresCall(status.ok() ? kCommit : kRollback)});
  return status.ok() ? ended.status() : status;
}

absl::StatusOr<int64_t> ReadVersion(PostgresConnection& connection) {
  const auto found = connection.Run({PostgresCall("SELECT version FROM term")});
  if (!found.ok()) return found.status();
  return found->front().size() == 1 ? found->front().Integer(0, 0) : 0;
}

}  // namespace

PostgresCall FenceOf(uint64_t term) {
  return PostgresCall("SELECT fence($1)").Int(static_cast<int64_t>(term));
}

absl::Status PrepareTerm(PostgresConnection& connection) {
  const auto there = connection.Run({PostgresCall("SELECT to_regclass('term') IS NOT NULL")});
  if (!there.ok()) return there.status();
  // Who may only use the tables can start as well.
  if (there->front().Integer(0, 0) == 0) {
    absl::Status made = Alone(connection, [&] { return connection.Execute(kTerm); });
    if (!made.ok()) return made;
  }
  const absl::StatusOr<int64_t> version = ReadVersion(connection);
  return version.ok() ? CheckVersion(*version) : version.status();
}

absl::Status BringUpToDate(PostgresConnection& connection, uint64_t term) {
  return Alone(connection, [&]() -> absl::Status {
    if (auto fenced = connection.Run({FenceOf(term)}); !fenced.ok()) return fenced.status();
    const absl::StatusOr<int64_t> found = ReadVersion(connection);
    if (!found.ok()) return found.status();
    absl::Status status = CheckVersion(*found);
    for (int64_t version = *found; status.ok() && version < kPostgresVersion; ++version) {
      status = connection.Execute(kVersions[version]);
    }
    if (!status.ok() || *found == kPostgresVersion) return status;
    LogInfo("the job store's tables are brought up to date", {{"from", *found}, {"to", kPostgresVersion}});
    return connection.Run({PostgresCall("UPDATE term SET version = $1").Int(kPostgresVersion)}).status();
  });
}

}  // namespace mind::server
