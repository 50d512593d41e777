// What any store of keys has to do.
#include "server/trust/key_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "proto/support/time.h"
#include "server/store/postgres_key_store.h"
#include "server/store/sqlite_job_store.h"
#include "server/store/sqlite_key_store.h"
#include "tests/support/postgres.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/key_rig.h"
#include "tests/unit/server/postgres_rig.h"

namespace mind::server {
namespace {

// A store with its tables, and more of its kind on the same.
class KeyStoreKind {
 public:
  virtual ~KeyStoreKind() = default;
  virtual std::unique_ptr<KeyStore> Open() = 0;
};

class SqliteKind : public KeyStoreKind {
 public:
  SqliteKind() : jobs_(*SqliteJobStore::Open(folder_.string())) {}
  std::unique_ptr<KeyStore> Open() override { return std::make_unique<SqliteKeyStore>(folder_.string()); }

 private:
  const support::TemporaryFolder folder_;
  const std::unique_ptr<SqliteJobStore> jobs_;  // goes on using the file
};

class PostgresKind : public KeyStoreKind {
 public:
  PostgresKind() : jobs_(*OpenPostgres(url_)) {}
  std::unique_ptr<KeyStore> Open() override { return std::make_unique<PostgresKeyStore>(url_); }

 private:
  const std::string url_ = support::SharedPostgres().NewSchema();
  const std::unique_ptr<PostgresJobStore> jobs_;
};

KeyTable Read(KeyStore& store) {
  const auto table = Await<absl::StatusOr<KeyTable>>([&](const auto& done) { store.Read(done); });
  EXPECT_TRUE(table.ok()) << table.status();
  return table.value_or(KeyTable());
}
absl::StatusOr<bool> Add(KeyStore& store, const internal::v1::StoredKey& key) {
  return Await<absl::StatusOr<bool>>([&](const auto& done) { store.Add(key, done); });
}
absl::StatusOr<bool> Replace(KeyStore& store, const internal::v1::StoredKey& key) {
  return Await<absl::StatusOr<bool>>([&](const auto& done) { store.Replace(key, done); });
}
absl::StatusOr<bool> SetLimits(KeyStore& store, const std::string& tenant, double weight) {
  v1::TenantLimits limits;
  limits.set_weight(weight);
  return Await<absl::StatusOr<bool>>([&](const auto& done) { store.SetLimits(tenant, limits, done); });
}

class KeyStoreTest : public testing::TestWithParam<const char*> {
 protected:
  KeyStoreTest() {
    if (std::string(GetParam()) == "Sqlite") {
      kind_ = std::make_unique<SqliteKind>();
    } else {
      kind_ = std::make_unique<PostgresKind>();
    }
  }

  std::unique_ptr<KeyStoreKind> kind_;
};

TEST_P(KeyStoreTest, KeepsKeysAsTheyWereGiven) {
  const std::unique_ptr<KeyStore> store = kind_->Open(), other = kind_->Open();
  EXPECT_TRUE(Read(*store).keys.empty());
  internal::v1::StoredKey key = MakeKey(KeyLike("acme", {v1::SCOPE_READ}), absl::FromUnixSeconds(1)).first;
  EXPECT_TRUE(Add(*store, key).ok());
  EXPECT_FALSE(Add(*store, key).ok()) << "its id is taken";
  EXPECT_EQ(Read(*other).keys.at(key.key().id()).SerializeAsString(), key.SerializeAsString());
  *key.mutable_key()->mutable_revoke_time() = ToTimestamp(absl::FromUnixSeconds(2));
  EXPECT_TRUE(*Replace(*other, key));
  EXPECT_TRUE(Read(*store).keys.at(key.key().id()).key().has_revoke_time());
  const internal::v1::StoredKey none = MakeKey(KeyLike("acme", {v1::SCOPE_READ}), absl::UnixEpoch()).first;
  EXPECT_FALSE(*Replace(*store, none));
  EXPECT_EQ(Read(*store).keys.size(), 1U);
}

TEST_P(KeyStoreTest, LimitsTakeThePlaceOfEarlierOnes) {
  const std::unique_ptr<KeyStore> store = kind_->Open();
  EXPECT_TRUE(SetLimits(*store, "acme", 3).ok());
  EXPECT_TRUE(SetLimits(*store, "other", 1).ok());
  EXPECT_TRUE(SetLimits(*store, "acme", 5).ok());
  const KeyTable table = Read(*store);
  EXPECT_EQ(table.tenants.size(), 2U);
  EXPECT_EQ(table.tenants.at("acme").weight(), 5);
}

INSTANTIATE_TEST_SUITE_P(Each, KeyStoreTest, testing::Values("Sqlite", "Postgres"),
                         [](const auto& of) { return std::string(of.param); });

}  // namespace
}  // namespace mind::server
