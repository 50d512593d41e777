// Names without end: of tenants that come once, by a service that may speak for any, and of models that a
// worker thinks up.
#include <gtest/gtest.h>
#include <malloc.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "server/dispatch/moment.h"
#include "server/http/sdapi_tasks.h"
#include "server/queue/fair_turns.h"
#include "server/trust/gatekeeper.h"
#include "server/trust/quotas.h"
#include "tests/unit/server/key_rig.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

constexpr int kNames = 1'000'000;

// Of the heap, in bytes; where a sanitizer has one of its own, 0.
size_t InUse() {
  return mallinfo2().uordblks;
}

std::string NameOf(int number) {
  return absl::StrCat("a-tenant-that-comes-once-", number);
}

TEST(ManyNames, OfAMillionNothingIsRemembered) {
  KeyTable table;
  const std::string key =
      AddKey(table, KeyLike("backend", {v1::SCOPE_GENERATE, v1::SCOPE_READ, v1::SCOPE_PROXY}));
  table.tenants["limited"].set_requests_per_minute(10);
  KeyBook book;
  book.SetFile(table);
  Gatekeeper gatekeeper({.keys = &book, .clock = [] { return absl::Now(); }, .steady_clock = SteadyNow});
  v1::TenantLimits limits;
  limits.set_max_jobs(5);
  limits.set_worker_seconds_per_minute(60);
  limits.set_worker_seconds_per_day(1000);
  Quotas quotas(1 << 20);
  FairTurns turns{[](FairTurns::Claim&) {}};
  SdapiTasks tasks;
  const auto come = [&](int number) {
    const auto caller =
        gatekeeper.Admit({.authorization = "Bearer " + key, .tenant = NameOf(number)},
                         number % 2 == 0 ? "mind.v1.GenerationService/CreateJob" : "POST /v1/jobs");
    ASSERT_TRUE(caller.ok()) << caller.status();
    const absl::Duration now = absl::Milliseconds(number);
    const Quotas::Charge charge{.tenant = caller->tenant, .bytes = 100, .worker_seconds = 1};
    ASSERT_TRUE(quotas.Check(charge, limits, absl::Seconds(1), now).ok());
    if (number % 4 != 0) return;
    // A job, that waits and is given up.
    quotas.Begin(caller->tenant, charge, limits, now);
    FairTurns::Claim claim;
    claim.portions = 1;
    claim.cost = 1;
    turns.Join(claim, caller->tenant);
    turns.Leave(claim);
    quotas.End(caller->tenant, 0);
    // And what A1111's clients say once.
    tasks.SetOptions(caller->tenant, {.model = "emoji"});
    tasks.End(tasks.Begin(caller->tenant, "task", absl::UnixEpoch()));
  };
  constexpr int kFirst = 20'000;  // until what is bounded is full
  for (int number = 0; number < kFirst; ++number) come(number);
  const size_t before = InUse();
  size_t most = 0;
  for (int number = kFirst; number < kNames; ++number) {
    come(number);
    if (number % 1000 == 0) most = std::max(most, InUse());
  }
  EXPECT_LT(most, before + (1 << 20)) << "names alone would take " << kNames * NameOf(kNames).size();
  EXPECT_LT(quotas.tenants(), 10U);
  EXPECT_EQ(turns.tenants(), 0U);
}

class ManyNamesService : public ServiceRig {
 protected:
  // All that a tenant can do that comes once, and takes away what it had.
  void Come(int number) {
    const Caller caller{.tenant = NameOf(number), .key_id = "key"};
    v1::JobRequest wrong = SmallRequest();
    wrong.mutable_spec()->set_steps(1'000'000);
    EXPECT_FALSE(Submit(wrong, caller).ok());
    EXPECT_FALSE(Get("job-none", caller).ok());
    EXPECT_TRUE(List({}, caller).ok());
    v1::JobRequest right = SmallRequest();
    right.set_request_id("once");
    const auto job = Submit(right, caller);
    ASSERT_TRUE(job.ok()) << job.status();
    const auto [reply, answer] = Expect<v1::Job>();
    service().Delete(job->id(), caller, CancelledByRequest(job->id()), answer);
    ASSERT_TRUE(Answered<v1::Job>(reply).ok());
    if (number % 50 == 0) Tick(absl::Minutes(1));
  }
  // Series that are told.
  size_t Series() {
    size_t series = 0;
    for (const auto& family : metrics_.registry->Collect()) series += family.metric.size();
    return series;
  }
};

TEST_F(ManyNamesService, ForgetsWhoHasNothingAnyMore) {
  options_.limits_of = [](const std::string&) {
    v1::TenantLimits limits;
    limits.set_max_jobs(5);
    limits.set_max_running_images(1);
    limits.set_worker_seconds_per_minute(1000);
    return limits;
  };
  const auto worker = Connect("w", 0);
  for (int number = 0; number < 2000; ++number) Come(number);
  store_.ForgetUsage();
  const size_t series = Series(), before = InUse();
  for (int number = 2000; number < 12'000; ++number) {
    Come(number);
    worker->sent.clear();
  }
  store_.ForgetUsage();
  EXPECT_EQ(Series(), series);
  // 52 bytes a name.
  EXPECT_LT(InUse(), before + 512 * 1024);
}

TEST_F(ManyNamesService, OfModelsThatAWorkerThinksUpComeToAnEnd) {
  constexpr int kAtOnce = 256;
  const auto offer = [](const std::string& worker, int first, int count) {
    v1::Register registration;
    registration.set_name(worker);
    for (int i = 0; i < count; ++i) *registration.add_models() = SmallModel("m" + std::to_string(first + i));
    return registration;
  };
  constexpr int kMost = 4096;
  for (int first = 0; first < kMost; first += kAtOnce) {
    const auto session = std::make_shared<FakeSession>();
    ASSERT_TRUE(Register(session, offer("hostile", first, kAtOnce)).ok()) << first;
    Lose(session);
  }
  const absl::Status refused = Register(std::make_shared<FakeSession>(), offer("hostile", kMost, 1));
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_EQ(ReasonOf(refused), "TOO_MANY_MODELS");
  // Those that are known are taken, also described anew.
  v1::Register known = offer("w", 0, 1);
  known.mutable_models(0)->set_default_steps(30);
  EXPECT_TRUE(Register(std::make_shared<FakeSession>(), known).ok());
  Restart();
  EXPECT_FALSE(Register(std::make_shared<FakeSession>(), offer("v", kMost, 1)).ok());
  EXPECT_TRUE(Register(std::make_shared<FakeSession>(), known).ok());
}

}  // namespace
}  // namespace mind::server
