// How tenants share the workers' time, over simulated hours.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/unit/server/dispatcher_rig.h"

namespace mind::server {
namespace {

constexpr absl::Duration kStep = absl::Milliseconds(50);

Dispatcher::Options WithWeights(const std::map<std::string, double>& weights) {
  Dispatcher::Options options;
  options.default_row_seconds = absl::ToDoubleSeconds(kStep);
  options.weight_of = [weights](const std::string& tenant) {
    const auto found = weights.find(tenant);
    return found == weights.end() ? 1 : found->second;
  };
  return options;
}

class TenantShares : public DispatcherRig {
 protected:
  explicit TenantShares(const std::map<std::string, double>& weights = {{"heavy", 3}})
      : DispatcherRig(WithWeights(weights)) {
    for (const char* const worker : {"w1", "w2"}) Note(Connect(worker, 1));
  }

  v1::Job JobOf(const std::string& tenant, uint32_t steps) {
    v1::Job job = Job(absl::StrCat(tenant, "-", ++jobs_));
    job.set_tenant(tenant);
    job.mutable_spec()->set_steps(steps);
    job.set_steps_total(steps);
    return job;
  }
  // Keeps so many of its jobs waiting.
  void Fill(const std::string& tenant, uint32_t steps, int jobs = 10) {
    while (waiting_[tenant] < jobs) {
      ++waiting_[tenant];
      Note(Submit(JobOf(tenant, steps)));
    }
  }
  // The next picture that is done is done.
  void Next() {
    const auto first = std::min_element(running_.begin(), running_.end(), [](const auto& a, const auto& b) {
      return a.second.end < b.second.end;
    });
    ASSERT_NE(first, running_.end());
    const auto [worker, done] = *first;
    running_.erase(first);
    Pass(done.end - now_.steady);
    seconds_[done.tenant] += absl::ToDoubleSeconds(done.took);
    Note(Result(worker, done.image));
    for (const auto& [other, run] : running_) Note(Say(other, v1::ConnectRequest()));  // they are there
    Note(Tick());
  }

  std::map<std::string, double> seconds_;  // of workers, by tenant
  std::map<std::string, int> waiting_;

 private:
  struct Run {
    std::string tenant;
    v1::ImageRef image;
    absl::Duration took, end;
  };

  void Note(const Actions& actions) {
    for (const SendAssign& send : Of<SendAssign>(actions)) {
      const std::string& job = send.assign.job_id();
      const std::string tenant = job.substr(0, job.find('-'));
      --waiting_[tenant];
      const absl::Duration took = kStep * static_cast<int64_t>(dispatcher_.Find(job)->spec().steps());
      running_[send.worker] = {tenant, Ref(job, send.assign.attempt()), took, now_.steady + took};
    }
  }

  int jobs_ = 0;
  std::map<std::string, Run> running_;  // by worker
};

// There its pictures share the steps by it.
TEST_F(TenantShares, AWorkerIsToldWhoseJobItMakes) {
  const auto assigned = Of<SendAssign>(Submit(JobOf("heavy", 10)));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.tenant(), "heavy");
  EXPECT_EQ(assigned[0].assign.tenant_weight(), 3);
}

TEST_F(TenantShares, AreAsTheirWeightsHoweverLargeTheirJobsAre) {
  for (int i = 0; i < 4000; ++i) {
    Fill("light", 40);
    Fill("heavy", 10);
    Next();
  }
  EXPECT_NEAR(seconds_["heavy"] / seconds_["light"], 3, 0.15);
}

TEST_F(TenantShares, OfThreeAreAsTheirWeights) {
  for (int i = 0; i < 4000; ++i) {
    for (const char* const tenant : {"heavy", "one", "another"}) Fill(tenant, 20);
    Next();
  }
  EXPECT_NEAR(seconds_["heavy"] / seconds_["one"], 3, 0.15);
  EXPECT_NEAR(seconds_["another"] / seconds_["one"], 1, 0.05);
}

TEST_F(TenantShares, AreNotSmallerForWhatIsCancelled) {
  for (int i = 0; i < 1000; ++i) {
    Fill("one", 20);
    Fill("another", 20);
    if (i % 5 == 0) {  // 200 of them
      const v1::Job job = JobOf("one", 20);
      Submit(job);
      Cancel(job.id());
    }
    Next();
  }
  EXPECT_NEAR(seconds_["one"] / seconds_["another"], 1, 0.05);
}

TEST_F(TenantShares, DoNotGrowByADeadlineThatTheKeyDoesNotAllow) {
  for (const bool allowed : {false, true}) {
    Fill("one", 20);
    v1::Job hurried = JobOf("another", 20);
    *hurried.mutable_deadline() = ToTimestamp(now_.wall + absl::Seconds(2));
    if (!allowed) hurried.set_highest_priority(v1::PRIORITY_NORMAL);
    v1::Job before = JobOf("another", 20);  // in turn
    Submit(before);
    Submit(hurried);
    Tick();
    EXPECT_EQ(dispatcher_.queue().AheadOf(hurried.id()) == 0, allowed);
    Cancel(before.id());
    Cancel(hurried.id());
  }
}

}  // namespace
}  // namespace mind::server
