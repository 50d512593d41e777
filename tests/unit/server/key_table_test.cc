#include "server/trust/key_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "tests/unit/server/key_rig.h"

namespace mind::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(KeyTable, IsReadAsItWasWritten) {
  KeyTable table;
  v1::ApiKey like = KeyLike("acme", {v1::SCOPE_GENERATE, v1::SCOPE_READ});
  like.set_name("the web shop — 网店");
  like.add_models("emoji");
  like.set_highest_priority(v1::PRIORITY_HIGH);
  *like.mutable_expire_time() = ToTimestamp(absl::FromUnixSeconds(2'000'000'000));
  const std::string key = AddKey(table, like);
  table.tenants["acme"].set_weight(3);
  const std::string text = ToText(table);
  EXPECT_THAT(text, Not(HasSubstr(ParseKeyText(key)->secret)));
  const absl::StatusOr<KeyTable> read = ParseKeyTable(text);
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->keys.size(), 1U);
  EXPECT_EQ(read->keys.begin()->second.SerializeAsString(), table.keys.begin()->second.SerializeAsString());
  EXPECT_EQ(read->tenants.at("acme").weight(), 3);
}

TEST(KeyTable, WhatIsWrongWithAFileIsSaid) {
  KeyTable table;
  AddKey(table, KeyLike("acme", {v1::SCOPE_READ}));
  const std::string good = ToText(table);
  const auto with = [&good](const std::string& from, const std::string& to) {
    std::string text = good;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from << " in " << text;
    return text.replace(at, from.size(), to);
  };
  const std::pair<std::string, const char*> bad[] = {
      {"", "no JSON"},
      {"{", "no JSON"},
      {R"({"kyes": []})", "kyes"},
      {with("\"acme\"", "\"two words\""), "1 to 64 letters"},
      {with("SCOPE_READ", "SCOPE_WRITE"), "no JSON"},
      {with("secret_sha256\": \"", "secret_sha256\": \"AAAA"), "32 bytes"},
      {with("\"id\": \"", "\"id\": \"x"), "ten letters"},
      {R"({"tenants": {"acme": {"weight": -1}}})", "weight"},
      {R"({"tenants": {"acme": {"weight": 5000}}})", "up to 1000"},
      {R"({"tenants": {"acme": {"worker_seconds_per_day": -3}}})", "worker_seconds"},
      {R"({"tenants": {"acme": {"keep": "0.5s"}}})", "keep"},
      {R"({"tenants": {"acme": {"keep": "-60s"}}})", "keep"},
  };
  for (const auto& [text, said] : bad) {
    const absl::StatusOr<KeyTable> read = ParseKeyTable(text);
    ASSERT_FALSE(read.ok()) << text;
    std::string why(read.status().message());
    if (const auto field = GetBadRequest(read.status())) why += field->field_violations(0).description();
    EXPECT_THAT(why, HasSubstr(said)) << text;
  }
  EXPECT_TRUE(ParseKeyTable("{}").ok());
}

TEST(KeyTable, AKeyIsGoodUntilItExpiresOrIsRevoked) {
  v1::ApiKey key = KeyLike("acme", {v1::SCOPE_READ});
  const absl::Time now = absl::FromUnixSeconds(1000);
  EXPECT_TRUE(IsGood(key, now));
  *key.mutable_expire_time() = ToTimestamp(now);
  EXPECT_FALSE(IsGood(key, now));
  EXPECT_TRUE(IsGood(key, now - absl::Seconds(1)));
  *key.mutable_revoke_time() = ToTimestamp(now - absl::Seconds(5));
  EXPECT_FALSE(IsGood(key, now - absl::Seconds(1)));
}

TEST(KeyTable, ListsByTenantAndAge) {
  KeyTable table;
  for (const auto& [tenant, second] : {std::pair("b", 1), std::pair("a", 3), std::pair("a", 2)}) {
    v1::ApiKey like = KeyLike(tenant, {v1::SCOPE_READ});
    like.set_name(std::to_string(second));
    AddKey(table, like, absl::FromUnixSeconds(second));
  }
  std::string order;
  for (const v1::ApiKey& key : Listed(table, "")) order += key.tenant() + key.name();
  EXPECT_EQ(order, "a2a3b1");
  EXPECT_EQ(Listed(table, "b").size(), 1U);
  EXPECT_EQ(Listed(table, "c").size(), 0U);
}

TEST(KeyTable, WhatTheStoreHoldsAndCannotBeReadIsNobodysKey) {
  KeyTable table;
  table.AddStored("abcdefghij", "nonsense");
  internal::v1::StoredKey key = MakeKey(KeyLike("acme", {v1::SCOPE_READ}), absl::UnixEpoch()).first;
  table.AddStored("abcdefghij", key.SerializeAsString());  // of another id
  EXPECT_TRUE(table.keys.empty());
  table.AddStored(key.key().id(), key.SerializeAsString());
  EXPECT_EQ(table.keys.size(), 1U);
}

}  // namespace
}  // namespace mind::server
