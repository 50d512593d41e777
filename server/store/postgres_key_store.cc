#include "server/store/postgres_key_store.h"

#include <utility>
#include <vector>

#include "proto/support/errors.h"

namespace mind::server {

void PostgresKeyStore::Read(Done<KeyTable> done) {
  thread_.Post([this, done = std::move(done)] {
    const auto found = connection_.Ask(
        {PostgresCall("SELECT id, key FROM api_keys"), PostgresCall("SELECT name, limits FROM tenants")});
    if (!found.ok()) return done(found.status());
    KeyTable table;
    const PostgresRows &keys = (*found)[0], &tenants = (*found)[1];
    for (int row = 0; row < keys.size(); ++row) table.AddStored(keys.Text(row, 0), keys.Text(row, 1));
    for (int row = 0; row < tenants.size(); ++row)
      table.AddLimits(tenants.Text(row, 0), tenants.Text(row, 1));
    done(std::move(table));
  });
}

void PostgresKeyStore::Add(const internal::v1::StoredKey& key, Done<bool> done) {
  thread_.Post([this, key, done = std::move(done)] {
    const std::string bytes = key.SerializeAsString();
    const auto added =
        connection_.Run({PostgresCall("INSERT INTO api_keys(id, tenant, key) VALUES($1, $2, $3)")
                             .Text(key.key().id())
                             .Text(key.key().tenant())
                             .Bytes(bytes)});
    added.ok() ? done(true) : done(added.status());
  });
}

void PostgresKeyStore::Replace(const internal::v1::StoredKey& key, Done<bool> done) {
  thread_.Post([this, key, done = std::move(done)] {
    const std::string bytes = key.SerializeAsString();
    const auto changed = connection_.Run(
        {PostgresCall("UPDATE api_keys SET key = $2 WHERE id = $1").Text(key.key().id()).Bytes(bytes)});
    changed.ok() ? done(changed->front().changed() == 1) : done(changed.status());
  });
}

void PostgresKeyStore::SetLimits(const std::string& tenant, const v1::TenantLimits& limits, Done<bool> done) {
  thread_.Post([this, tenant, limits, done = std::move(done)] {
    const std::string bytes = limits.SerializeAsString();
    const auto set = connection_.Run({PostgresCall("INSERT INTO tenants(name, limits) VALUES($1, $2) "
                                                   "ON CONFLICT(name) DO UPDATE SET limits = $2")
                                          .Text(tenant)
                                          .Bytes(bytes)});
    set.ok() ? done(true) : done(set.status());
  });
}

}  // namespace mind::server
