#include "server/store/sqlite_key_store.h"

#include <utility>

#include "server/store/sqlite_statement.h"

namespace mind::server {
namespace {

// How long it waits for a commit of jobs.
constexpr absl::Duration kPatience = absl::Seconds(10);

}  // namespace

template <typename T>
void SqliteKeyStore::With(Done<T> done, std::function<absl::StatusOr<T>(sqlite3*)> work) {
  thread_.Post([this, done = std::move(done), work = std::move(work)] {
    if (!connection_) {
      absl::StatusOr<SqliteConnection> opened = SqliteConnection::ToWrite(path_, kPatience);
      if (!opened.ok()) return done(opened.status());
      connection_.emplace(*std::move(opened));
    }
    done(work(connection_->get()));
  });
}

void SqliteKeyStore::Read(Done<KeyTable> done) {
  With<KeyTable>(std::move(done), [](sqlite3* database) -> absl::StatusOr<KeyTable> {
    KeyTable table;
    SqliteStatement keys(database, "SELECT id, key FROM api_keys");
    while (keys.Next()) table.AddStored(keys.Bytes(0), keys.Bytes(1));
    if (!keys.status().ok()) return keys.status();
    SqliteStatement tenants(database, "SELECT name, limits FROM tenants");
    while (tenants.Next()) table.AddLimits(tenants.Bytes(0), tenants.Bytes(1));
    if (!tenants.status().ok()) return tenants.status();
    return table;
  });
}

void SqliteKeyStore::Add(const internal::v1::StoredKey& key, Done<bool> done) {
  With<bool>(std::move(done), [key](sqlite3* database) -> absl::StatusOr<bool> {
    const std::string bytes = key.SerializeAsString();
    const absl::Status added =
        SqliteStatement(database, "INSERT INTO api_keys(id, tenant, key) VALUES(?, ?, ?)")
            .Text(key.key().id())
            .Text(key.key().tenant())
            .Blob(bytes)
            .Run();
    if (!added.ok()) return added;
    return true;
  });
}

void SqliteKeyStore::Replace(const internal::v1::StoredKey& key, Done<bool> done) {
  With<bool>(std::move(done), [key](sqlite3* database) -> absl::StatusOr<bool> {
    const std::string bytes = key.SerializeAsString();
    const absl::Status changed = SqliteStatement(database, "UPDATE api_keys SET key = ? WHERE id = ?")
                                     .Blob(bytes)
                                     .Text(key.key().id())
                                     .Run();
    if (!changed.ok()) return changed;
    return sqlite3_changes(database) == 1;
  });
}

void SqliteKeyStore::SetLimits(const std::string& tenant, const v1::TenantLimits& limits, Done<bool> done) {
  With<bool>(std::move(done), [tenant, limits](sqlite3* database) -> absl::StatusOr<bool> {
    const std::string bytes = limits.SerializeAsString();
    const absl::Status set = SqliteStatement(database,
                                             "INSERT INTO tenants(name, limits) VALUES(?, ?) "
                                             "ON CONFLICT(name) DO UPDATE SET limits = excluded.limits")
                                 .Text(tenant)
                                 .Blob(bytes)
                                 .Run();
    if (!set.ok()) return set;
    return true;
  });
}

}  // namespace mind::server
