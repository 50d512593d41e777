// Workers whose models change while they are connected.
#include "tests/unit/server/dispatcher_rig.h"
#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class ModelsOfferedTest : public DispatcherRig {
 protected:
  Actions Offer(const std::string& worker, const std::vector<v1::Model>& models) {
    return Noted(dispatcher_.OnModelsOffered(worker, Registration(worker, models).models(), now_));
  }
};

TEST_F(ModelsOfferedTest, WhatWaitedForAModelGoesToWhoHasItNow) {
  Connect("w");
  Submit(Job("other", 1, v1::PRIORITY_NORMAL, "n"));
  EXPECT_EQ(WorkerOf("other"), "");
  Offer("w", {Model("m"), Model("n")});
  EXPECT_EQ(WorkerOf("other"), "w");
}

TEST_F(ModelsOfferedTest, WhatRunsGoesOnWithoutItsModelAndNothingMoreIsGiven) {
  Connect("w");
  Submit("running");
  Offer("w", {Model("n")});
  EXPECT_EQ(WorkerOf("running"), "w");
  Submit("waiting");
  EXPECT_EQ(WorkerOf("waiting"), "");
  Checkpoint("w", Ref("running", 1), 4);
  EXPECT_TRUE(Of<JobEndedAction>(Result("w", Ref("running", 1))).size() == 1);
  EXPECT_EQ(Ended("running"), v1::JOB_STATE_SUCCEEDED);
  Offer("w", {Model("m")});
  EXPECT_EQ(WorkerOf("waiting"), "w");
}

TEST_F(ModelsOfferedTest, AJobGoesOnWithTheWeightsItBeganWith) {
  Connect(Registration("w", {Model("m", "old")}));
  const auto assigned = Of<SendAssign>(Submit("j"));
  ASSERT_EQ(assigned.size(), 1U);
  EXPECT_EQ(assigned[0].assign.revision(), "old");
  Offer("w", {Model("m", "new")});
  // Of the old weights, whatever the worker offers by now.
  Checkpoint("w", Ref("j", 1), 4);
  EXPECT_TRUE(Of<SendAssign>(HandBack("w", Ref("j", 1), 5)).empty());
  EXPECT_EQ(WorkerOf("j"), "");
  const auto fresh = Of<SendAssign>(Submit("k"));
  ASSERT_EQ(fresh.size(), 1U);
  EXPECT_EQ(fresh[0].assign.revision(), "new");
  const auto resumed = Of<SendAssign>(Connect(Registration("v", {Model("m", "old")})));
  ASSERT_EQ(resumed.size(), 1U);
  EXPECT_EQ(resumed[0].worker, "v");
  EXPECT_EQ(resumed[0].assign.images(0).checkpoint(), "state at 5");
}

// It was assigned before the worker could say that it has other weights.
TEST_F(ModelsOfferedTest, WhatIsHandedBackUnbegunIsMadeWithTheNewWeights) {
  Connect(Registration("w", {Model("m", "old")}));
  Submit("j");
  Offer("w", {Model("m", "new")});
  v1::ConnectRequest message;
  *message.mutable_image_handed_back()->mutable_image() = Ref("j", 1);
  const auto again = Of<SendAssign>(Say("w", message));
  ASSERT_EQ(again.size(), 1U);
  EXPECT_EQ(again[0].assign.revision(), "new");
}

TEST_F(ModelsOfferedTest, FailuresOfOtherWeightsAreForgiven) {
  Connect(Registration("w", {Model("m", "old")}));
  Connect(Registration("v", {Model("m", "old")}));
  int failed = 0;
  for (; failed < 10; ++failed) {
    const std::string job = "j" + std::to_string(failed);
    Submit(job);
    if (WorkerOf(job) == "v") break;  // w is trusted no more
    Failure("w", Ref(job, 1), absl::InternalError("broken weights"));
    Result("v", Ref(job, 2));
  }
  ASSERT_LT(failed, 10);
  Result("v", Ref("j" + std::to_string(failed), 1));
  Offer("w", {Model("m", "new")});
  Submit("after");
  EXPECT_EQ(WorkerOf("after"), "w");
}

class ModelsOfferedToService : public ServiceRig {};

TEST_F(ModelsOfferedToService, ListsFollowAndWhatIsNoOfferEndsTheStream) {
  const auto worker = Connect("w", 4, {"m"});
  const auto models = [this] {
    std::vector<std::string> names;
    const v1::ListWorkersResponse listed = ListWorkers();
    for (const std::string& name : listed.workers(0).models()) names.push_back(name);
    return names;
  };
  v1::ConnectRequest message;
  *message.mutable_models_offered()->add_models() = SmallModel("n");
  Say(worker, message);
  EXPECT_EQ(models(), std::vector<std::string>{"n"});
  v1::JobRequest request = SmallRequest();
  request.mutable_spec()->set_model("n");
  EXPECT_TRUE(Submit(request).ok());
  message.mutable_models_offered()->mutable_models(0)->set_size_multiple(0);
  Say(worker, message);
  EXPECT_EQ(worker->status.code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mind::server
