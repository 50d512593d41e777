#include "server/trust/gatekeeper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "tests/unit/server/key_rig.h"

namespace mind::server {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr char kGet[] = "mind.v1.GenerationService/GetJob";

std::string GateReason(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info ? info->reason() : "";
}

class GatekeeperTest : public testing::Test {
 protected:
  Gatekeeper::Options Options(const KeyBook* keys) {
    return {.keys = keys,
            .clock = [this] { return now_; },
            .steady_clock = [this] { return steady_; },
            .refused = [this](const Gatekeeper::Refused& refused) { ++refused_[refused.reason]; }};
  }
  void SetFile() { book_.SetFile(table_); }
  absl::StatusOr<Caller> Admit(const std::string& authorization, const char* name = kGet,
                               std::optional<std::string> tenant = std::nullopt) {
    return gatekeeper_.Admit({.authorization = authorization, .tenant = std::move(tenant)}, name);
  }

  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  absl::Duration steady_;
  std::map<std::string, int> refused_;
  KeyTable table_;
  KeyBook book_;
  Gatekeeper gatekeeper_{Options(&book_)};
};

TEST_F(GatekeeperTest, TheTenantIsTheKeys) {
  v1::ApiKey like = KeyLike("acme", {v1::SCOPE_READ});
  like.add_models("emoji");
  const std::string key = AddKey(table_, like);
  SetFile();
  for (const std::string& authorization :
       {"Bearer " + key, "bearer  " + key + " ", "Basic " + absl::Base64Escape("me:" + key)}) {
    const absl::StatusOr<Caller> caller = Admit(authorization);
    ASSERT_TRUE(caller.ok()) << caller.status();
    EXPECT_EQ(caller->tenant, "acme");
    EXPECT_EQ(caller->key_id, ParseKeyText(key)->id);
    EXPECT_THAT(caller->models, ElementsAre("emoji"));
    EXPECT_EQ(caller->highest_priority, v1::PRIORITY_NORMAL);
  }
}

TEST_F(GatekeeperTest, ACallersTraceGoesOnAndIsInWhatItIsRefused) {
  const std::string key = AddKey(table_, KeyLike("acme", {v1::SCOPE_READ}));
  SetFile();
  Credentials credentials{.authorization = "Bearer " + key,
                          .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"};
  EXPECT_EQ(gatekeeper_.Admit(credentials, kGet)->traceparent, credentials.traceparent);
  Credentials nonsense = credentials;
  nonsense.traceparent = "\xff nonsense";  // which no proto string may hold
  EXPECT_EQ(gatekeeper_.Admit(nonsense, kGet)->traceparent, "");
  credentials.authorization.clear();
  const absl::Status refused = gatekeeper_.Admit(credentials, kGet).status();
  EXPECT_EQ(GetErrorInfo(refused)->metadata().at("traceId"), "4bf92f3577b34da6a3ce929d0e0e4736");
  credentials.traceparent = "nonsense";
  EXPECT_EQ(GetErrorInfo(gatekeeper_.Admit(credentials, kGet).status())->metadata().count("traceId"), 0U);
}

TEST_F(GatekeeperTest, WhatIsNoKeyThatHoldsIsRefused) {
  const std::string key = AddKey(table_, KeyLike("acme", {v1::SCOPE_READ}));
  v1::ApiKey like = KeyLike("acme", {v1::SCOPE_READ});
  *like.mutable_expire_time() = ToTimestamp(now_);
  const std::string expired = AddKey(table_, like);
  like = KeyLike("acme", {v1::SCOPE_READ});
  *like.mutable_revoke_time() = ToTimestamp(now_);
  const std::string revoked = AddKey(table_, like);
  SetFile();
  const std::string forged = ToText({ParseKeyText(revoked)->id, NewKeyText().secret});
  std::string mistyped = key;
  mistyped.back() = mistyped.back() == 'x' ? 'y' : 'x';
  const std::pair<std::string, const char*> refused[] = {
      {"", "API_KEY_MISSING"},
      {key, "API_KEY_INVALID"},
      {"Bearer", "API_KEY_INVALID"},
      {"Digest " + key, "API_KEY_INVALID"},
      {"Basic " + absl::Base64Escape(key), "API_KEY_INVALID"},
      {"Basic *", "API_KEY_INVALID"},
      {"Bearer " + mistyped, "API_KEY_INVALID"},
      {"Bearer " + ToText(NewKeyText()), "API_KEY_INVALID"},
      {"Bearer " + forged, "API_KEY_INVALID"},  // that it was revoked only its bearer learns
      {"Bearer " + expired, "API_KEY_EXPIRED"},
      {"Bearer " + revoked, "API_KEY_REVOKED"},
  };
  for (const auto& [authorization, reason] : refused) {
    const absl::Status status = Admit(authorization).status();
    EXPECT_TRUE(absl::IsUnauthenticated(status)) << authorization << ": " << status;
    EXPECT_EQ(GateReason(status), reason) << authorization;
    EXPECT_FALSE(gatekeeper_.StillAdmits({.authorization = authorization}, kGet).ok());
  }
  EXPECT_THAT(refused_, ElementsAre(Pair("API_KEY_EXPIRED", 1), Pair("API_KEY_INVALID", 8),
                                    Pair("API_KEY_MISSING", 1), Pair("API_KEY_REVOKED", 1)));
}

TEST_F(GatekeeperTest, OnlyAProxyNamesATenant) {
  const std::string key = "Bearer " + AddKey(table_, KeyLike("acme", {v1::SCOPE_READ}));
  const std::string proxy = "Bearer " + AddKey(table_, KeyLike("front", {v1::SCOPE_READ, v1::SCOPE_PROXY}));
  SetFile();
  for (const char* const tenant : {"other", "acme"}) {
    EXPECT_EQ(GateReason(Admit(key, kGet, tenant).status()), "TENANT_NOT_ALLOWED");
  }
  EXPECT_EQ(Admit(proxy, kGet, "other")->tenant, "other");
  EXPECT_EQ(Admit(proxy)->tenant, "front");
  EXPECT_TRUE(absl::IsInvalidArgument(Admit(proxy, kGet, "two words").status()));
}

TEST_F(GatekeeperTest, WithoutKeysEverybodyIsLetInAndSaysForWhom) {
  Gatekeeper open(Options(nullptr));
  EXPECT_EQ(open.Admit({}, kGet)->tenant, "default");
  EXPECT_EQ(open.Admit({.tenant = "acme"}, kGet)->tenant, "acme");
  EXPECT_EQ(open.Admit({}, kGet)->highest_priority, v1::PRIORITY_HIGH);
  EXPECT_TRUE(absl::IsInvalidArgument(open.Admit({.tenant = "two words"}, kGet).status()));
}

TEST_F(GatekeeperTest, WhatIsNotInTheTableNobodyMayCall) {
  const std::string key = "Bearer " + AddKey(table_, KeyLike("acme", AllScopes()));
  SetFile();
  Gatekeeper open(Options(nullptr));
  for (const char* const name : {"mind.v1.GenerationService/Rule", "GET /v1/secrets", "GET /a/b.js", ""}) {
    EXPECT_EQ(GateReason(Admit(key, name).status()), "ACCESS_UNKNOWN") << name;
    EXPECT_EQ(GateReason(open.Admit({}, name).status()), "ACCESS_UNKNOWN") << name;
  }
  EXPECT_TRUE(Admit("", "GET /card.js").ok());
}

// Whether it was revoked cannot be said then.
TEST_F(GatekeeperTest, AStoreThatIsSilentForHalfAMinuteIsNotBelieved) {
  const std::string key = AddKey(table_, KeyLike("acme", {v1::SCOPE_READ}));
  book_.ExpectStore();
  EXPECT_EQ(GateReason(Admit("Bearer " + key).status()), "KEYS_UNKNOWN");
  book_.SetStore(table_, steady_);
  KeyTable file;
  const std::string of_file = AddKey(file, KeyLike("ops", {v1::SCOPE_READ}));
  book_.SetFile(file);
  steady_ += absl::Seconds(30);
  EXPECT_TRUE(Admit("Bearer " + key).ok());
  steady_ += absl::Milliseconds(1);
  const absl::Status status = Admit("Bearer " + key).status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(GetRetryDelay(status));
  EXPECT_TRUE(absl::IsUnavailable(Admit("Bearer " + ToText(NewKeyText())).status()));
  EXPECT_TRUE(Admit("Bearer " + of_file).ok());
}

TEST_F(GatekeeperTest, ATenantsCallsAreCountedByTheMinute) {
  const std::string key = "Bearer " + AddKey(table_, KeyLike("acme", {v1::SCOPE_READ}));
  const std::string other = "Bearer " + AddKey(table_, KeyLike("free", {v1::SCOPE_READ}));
  table_.tenants["acme"].set_requests_per_minute(6);
  SetFile();
  const Credentials credentials{.authorization = key};
  std::optional<Rate> rate;
  for (int left = 5; left >= 0; --left) {
    ASSERT_TRUE(gatekeeper_.Admit(credentials, kGet, &rate).ok());
    ASSERT_TRUE(rate);
    EXPECT_EQ(rate->limit, 6);
    EXPECT_NEAR(rate->remaining, left, 1e-6);
  }
  EXPECT_EQ(rate->reset, absl::Minutes(1));
  const absl::Status refused = gatekeeper_.Admit(credentials, kGet, &rate).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(GateReason(refused), "REQUEST_LIMIT");
  EXPECT_NEAR(absl::ToDoubleSeconds(*GetRetryDelay(refused)), 10, 0.01);
  EXPECT_TRUE(gatekeeper_.StillAdmits(credentials, kGet).ok()) << "not a call of its own";
  EXPECT_TRUE(Admit(other).ok());
  rate.reset();
  EXPECT_TRUE(gatekeeper_.Admit({.authorization = other}, kGet, &rate).ok());
  EXPECT_FALSE(rate) << "nothing limits it";
  steady_ += absl::Seconds(11);
  EXPECT_NEAR(gatekeeper_.RequestsOf(credentials)->remaining, 1.1, 1e-6);
  EXPECT_NEAR(gatekeeper_.RequestsOf(credentials)->remaining, 1.1, 1e-6) << "to ask is no call";
  EXPECT_FALSE(gatekeeper_.RequestsOf({.authorization = other}));
  EXPECT_FALSE(gatekeeper_.RequestsOf({.authorization = "Bearer nonsense"}));
  EXPECT_TRUE(Admit(key).ok());
  EXPECT_FALSE(Admit(key).ok());
}

}  // namespace
}  // namespace mind::server
