// Tenants that always have more to do than there is time for, under random events.
#include <algorithm>
#include <map>
#include <random>

#include "tests/unit/server/dispatcher_rig.h"
#include "tests/unit/simulation/simulation_seeds.h"

namespace mind::server {
namespace {

// Tenants with jobs of all sizes and as much to do as there is time for: what each is given, in seconds,
// differs by no more than the largest picture of each.
class Crowd : public DispatcherRig {
 public:
  explicit Crowd(uint32_t seed) : random_(seed) {}
  void TestBody() override {}

  void Run() {
    for (int i = 0; i < 200; ++i) SubmitOne();
    Take(Connect("w0", 2));
    Take(Connect("w1", 1));
    for (int turn = 0; turn < 400 && !running_.empty(); ++turn) {
      const size_t at = random_() % running_.size();
      const auto [worker, ref] = running_[at];
      running_.erase(running_.begin() + static_cast<ptrdiff_t>(at));
      Take(Result(worker, ref));
      if (random_() % 3 == 0) CancelOne();
      SubmitOne();
      const auto [least, most] = std::minmax({given_["t0"], given_["t1"], given_["t2"]});
      ASSERT_LE(most - least, 2 * kLargest) << "after " << turn;
    }
  }

 private:
  static constexpr uint32_t kLargest = 8 * kSteps;  // rows of a picture

  void SubmitOne() {
    const std::string id = "j" + std::to_string(++submitted_);
    v1::Job job = Job(id, 1 + random_() % 16);
    job.set_tenant("t" + std::to_string(submitted_ % 3));
    const uint32_t rows = kSteps * (1 + random_() % 8);
    picture_[id] = rows;
    tenant_[id] = job.tenant();
    for (const SendAssign& send : Of<SendAssign>(Noted(
             dispatcher_.OnSubmit(job, static_cast<double>(rows) * job.spec().image_count(), {}, now_)))) {
      Count(send);
    }
  }
  void CancelOne() {
    const std::string id = "j" + std::to_string(1 + random_() % submitted_);
    const v1::Job* const job = dispatcher_.Find(id);
    if (job == nullptr || job->state() != v1::JOB_STATE_QUEUED || job->attempt() > 0) return;
    Take(Cancel(id));
  }
  void Take(const Actions& actions) {
    for (const SendAssign& send : Of<SendAssign>(actions)) Count(send);
  }
  void Count(const SendAssign& send) {
    for (const v1::AssignedImage& image : send.assign.images()) {
      running_.emplace_back(send.worker,
                            Ref(send.assign.job_id(), send.assign.attempt(), image.image_index()));
      given_[tenant_.at(send.assign.job_id())] += picture_.at(send.assign.job_id());
    }
  }

  std::mt19937 random_;
  uint32_t submitted_ = 0;
  std::map<std::string, uint32_t> picture_;  // by job: rows of one
  std::map<std::string, std::string> tenant_;
  std::map<std::string, double> given_;  // by tenant: rows
  std::vector<std::pair<std::string, v1::ImageRef>> running_;
};

TEST(FairnessSimulation, TenantsShareToWithinAPicturesCost) {
  ForEachSeed(500, [](uint32_t seed) { Crowd(seed).Run(); });
}

}  // namespace
}  // namespace mind::server
