// What KEDA asks of real servers: from nothing to work and back, with a leader that is killed in between.
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "externalscaler/externalscaler.grpc.pb.h"
#include "tests/functional/cluster.h"
#include "tests/functional/fronts.h"

namespace mind::testing {
namespace {

externalscaler::ScaledObjectRef Trigger() {
  externalscaler::ScaledObjectRef object;
  object.set_name("workers");
  (*object.mutable_scalermetadata())["model"] = "emoji";
  (*object.mutable_scalermetadata())["targetSeconds"] = "1";
  return object;
}

// Asks one front as KEDA does.
class Keda {
 public:
  explicit Keda(const std::string& address)
      : stub_(externalscaler::ExternalScaler::NewStub(
            grpc::CreateChannel(address, grpc::InsecureChannelCredentials()))) {}
  ~Keda() {
    context_.TryCancel();
    if (thread_.joinable()) thread_.join();
  }

  // Follows the stream from now on.
  void Follow() {
    thread_ = std::thread([this] {
      const auto stream = stub_->StreamIsActive(&context_, Trigger());
      externalscaler::IsActiveResponse response;
      while (stream->Read(&response)) {
        const absl::MutexLock lock(&mutex_);
        told_.push_back(response.result());
      }
    });
  }
  std::vector<bool> told() const {
    const absl::MutexLock lock(&mutex_);
    return told_;
  }
  // Seconds of one worker; less than 0: it got no answer.
  double Work() {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    externalscaler::GetMetricsRequest request;
    *request.mutable_scaledobjectref() = Trigger();
    request.set_metricname("mind_work_seconds");
    externalscaler::GetMetricsResponse response;
    const grpc::Status status = stub_->GetMetrics(&context, request, &response);
    return status.ok() ? response.metricvalues(0).metricvaluefloat() : -1;
  }
  bool IsActive() {
    grpc::ClientContext context;
    externalscaler::IsActiveResponse response;
    return stub_->IsActive(&context, Trigger(), &response).ok() && response.result();
  }

 private:
  const std::unique_ptr<externalscaler::ExternalScaler::Stub> stub_;
  grpc::ClientContext context_;
  mutable absl::Mutex mutex_;
  std::vector<bool> told_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

TEST(Scaler, KedaSeesWorkComeAndGoThroughTheDeathOfALeader) {
  Fronts fronts(2);
  // The model is known; no worker is there.
  fronts.StartWorker("first", 1);
  fronts.worker("first").Kill(SIGTERM);
  fronts.worker("first").Wait();
  Keda leader(fronts.address(0)), follower(fronts.address(1));
  follower.Follow();
  Await("the stream's first word", [&] { return follower.told() == std::vector<bool>{false}; });
  EXPECT_EQ(leader.Work(), 0);
  EXPECT_EQ(follower.Work(), 0);

  const auto client = fronts.NewClient(1);
  std::vector<std::string> jobs;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    jobs.push_back(CreateJob(*client, Request("a red heart", seed)));
  }
  Await("work is told at once", [&] { return follower.told() == std::vector<bool>{false, true}; });
  const double work = leader.Work();
  EXPECT_GT(work, 0);
  EXPECT_EQ(follower.Work(), work) << "all fronts say the same";
  EXPECT_TRUE(leader.IsActive());
  EXPECT_TRUE(follower.IsActive());

  fronts.Kill(0, SIGKILL);
  EXPECT_GT(follower.Work(), 0) << "while nobody leads, what was known last";
  EXPECT_TRUE(follower.IsActive());
  Await("the other leads", [&] { return fronts.Reigns(1) == 1; });
  fronts.Start(0);
  Keda back(fronts.address(0));
  Await("the one that came back says what the leader says",
        [&] { return back.Work() > 0 && back.Work() == follower.Work(); });

  fronts.StartWorker("scaled", 1);
  Await("no work is left", [&] { return follower.told() == std::vector<bool>{false, true, false}; });
  EXPECT_EQ(follower.Work(), 0);
  EXPECT_EQ(back.Work(), 0);
  for (const std::string& job : jobs) EXPECT_EQ(JobNow(*client, job).state(), v1::JOB_STATE_SUCCEEDED);
}

}  // namespace
}  // namespace mind::testing
