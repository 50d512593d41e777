#include "server/trust/key_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>

#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/dispatch/moment.h"
#include "server/trust/gatekeeper.h"
#include "tests/support/temporary_folder.h"
#include "tests/unit/server/key_rig.h"

namespace mind::server {
namespace {

constexpr char kGetKey[] = "mind.v1.GenerationService/GetJob";

std::string DeskReason(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info ? info->reason() : "";
}

class KeyDeskTest : public testing::Test {
 protected:
  KeyDeskTest() {
    EXPECT_TRUE(ChangeKeyFile(path_, [this](KeyTable& table) {
                  admin_ = AddKey(table, KeyLike("ops", {v1::SCOPE_ADMIN}));
                  return absl::OkStatus();
                }).ok());
    auto keeper = KeyKeeper::Open({.file = path_, .look = absl::Milliseconds(10), .steady_clock = SteadyNow});
    EXPECT_TRUE(keeper.ok()) << keeper.status();
    keeper_ = *std::move(keeper);
    keeper_->Begin(store_);
    desk_ = std::make_unique<KeyDesk>(*keeper_, store_, nullptr, [this] { return now_; });
    gatekeeper_ = std::make_unique<Gatekeeper>(Gatekeeper::Options{
        .keys = &keeper_->book(), .clock = [this] { return now_; }, .steady_clock = SteadyNow});
  }

  absl::StatusOr<NewKey> Create(const v1::ApiKey& like) {
    absl::StatusOr<NewKey> made;
    desk_->Create(like, {}, [&made](absl::StatusOr<NewKey> answer) { made = std::move(answer); });
    return made;
  }
  absl::StatusOr<NewKey> Rotate(const std::string& id, absl::Duration overlap) {
    v1::RotateKeyRequest request;
    request.set_id(id);
    *request.mutable_overlap() = ToDuration(overlap);
    absl::StatusOr<NewKey> made;
    desk_->Rotate(request, {}, [&made](absl::StatusOr<NewKey> answer) { made = std::move(answer); });
    return made;
  }
  absl::StatusOr<v1::ApiKey> Revoke(const std::string& id) {
    absl::StatusOr<v1::ApiKey> revoked;
    desk_->Revoke(id, {}, [&revoked](absl::StatusOr<v1::ApiKey> answer) { revoked = std::move(answer); });
    return revoked;
  }
  // Empty: it is let in.
  std::string Refusal(const std::string& key) {
    return DeskReason(gatekeeper_->Admit({.authorization = "Bearer " + key}, kGetKey).status());
  }

  support::TemporaryFolder folder_;
  const std::string path_ = folder_ / "keys";
  std::string admin_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  FakeKeyStore store_;
  std::unique_ptr<KeyKeeper> keeper_;
  std::unique_ptr<KeyDesk> desk_;
  std::unique_ptr<Gatekeeper> gatekeeper_;
};

TEST_F(KeyDeskTest, AKeyHoldsWhenItIsToldAndNoMoreWhenItIsRevoked) {
  const absl::StatusOr<NewKey> made = Create(KeyLike("acme", {v1::SCOPE_READ}));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Refusal(made->text), "");
  EXPECT_EQ(desk_->List("acme").size(), 1U);
  EXPECT_EQ(desk_->List("").size(), 2U) << "the file's as well";
  const absl::StatusOr<v1::ApiKey> revoked = Revoke(made->key.id());
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(Refusal(made->text), "API_KEY_REVOKED");
  now_ += absl::Seconds(5);
  EXPECT_EQ(Revoke(made->key.id())->revoke_time().seconds(), revoked->revoke_time().seconds());
}

TEST_F(KeyDeskTest, BothKeysOfARotationHoldForAWhile) {
  const absl::StatusOr<NewKey> old = Create(KeyLike("acme", {v1::SCOPE_READ}));
  const absl::StatusOr<NewKey> made = Rotate(old->key.id(), absl::Hours(24));
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_NE(made->key.id(), old->key.id());
  EXPECT_EQ(made->key.tenant(), "acme");
  EXPECT_EQ(Refusal(old->text), "");
  EXPECT_EQ(Refusal(made->text), "");
  now_ += absl::Hours(24);
  EXPECT_EQ(Refusal(old->text), "API_KEY_EXPIRED");
  EXPECT_EQ(Refusal(made->text), "");
  EXPECT_EQ(DeskReason(Rotate(old->key.id(), absl::Hours(1)).status()), "KEY_OVER");
  // At once.
  ASSERT_TRUE(Rotate(made->key.id(), absl::ZeroDuration()).ok());
  EXPECT_EQ(Refusal(made->text), "API_KEY_EXPIRED");
}

TEST_F(KeyDeskTest, WhatCannotBeDoneIsSaid) {
  v1::ApiKey chosen = KeyLike("acme", {v1::SCOPE_READ});
  chosen.set_id("abcdefghij");
  v1::ApiKey past = KeyLike("acme", {v1::SCOPE_READ});
  *past.mutable_expire_time() = ToTimestamp(now_ - absl::Seconds(1));
  for (const v1::ApiKey& bad : {KeyLike("acme", {}), KeyLike("", {v1::SCOPE_READ}), chosen, past}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Create(bad).status())) << bad.ShortDebugString();
  }
  EXPECT_TRUE(absl::IsNotFound(Revoke("abcdefghij").status()));
  EXPECT_TRUE(absl::IsNotFound(Rotate("abcdefghij", absl::Hours(1)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Rotate("abcdefghij", -absl::Hours(1)).status()));
  EXPECT_EQ(DeskReason(Revoke(ParseKeyText(admin_)->id).status()), "KEY_IN_FILE");
  EXPECT_EQ(store_.keys(), 0U);
}

TEST_F(KeyDeskTest, LimitsHoldWhenTheyAreSet) {
  v1::TenantLimits limits;
  limits.set_requests_per_minute(1);
  absl::Status set = absl::UnknownError("");
  desk_->SetLimits("acme", limits, {}, [&set](const absl::Status& status) { set = status; });
  EXPECT_TRUE(set.ok()) << set;
  EXPECT_EQ(desk_->Limits().at("acme").requests_per_minute(), 1U);
  limits.set_weight(-1);
  desk_->SetLimits("acme", limits, {}, [&set](const absl::Status& status) { set = status; });
  EXPECT_TRUE(absl::IsInvalidArgument(set));
}

TEST_F(KeyDeskTest, TheFileIsReadAgainWhenItChangesAndKeptWhereItIsNoneAnyMore) {
  EXPECT_EQ(Refusal(admin_), "SCOPE_MISSING") << "it is let in, though not to this";
  std::string added;
  ASSERT_TRUE(ChangeKeyFile(path_, [&added](KeyTable& table) {
                table.keys.clear();
                added = AddKey(table, KeyLike("acme", {v1::SCOPE_READ}));
                return absl::OkStatus();
              }).ok());
  while (Refusal(added) != "") absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ(Refusal(admin_), "API_KEY_INVALID");
  ASSERT_EQ(truncate(path_.c_str(), 3), 0);
  EXPECT_EQ(Refusal(added), "") << "whether that has been seen or not";
}

}  // namespace
}  // namespace mind::server
