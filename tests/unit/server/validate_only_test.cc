// CreateJob with validate_only.
#include <gmock/gmock.h>

#include <cmath>

#include "tests/unit/server/service_rig.h"

namespace mind::server {
namespace {

class ValidateOnly : public ServiceRig {
 protected:
  absl::StatusOr<v1::CreateJobResponse> Check(const v1::JobRequest& request) {
    const auto [reply, answer] = Expect<v1::CreateJobResponse>();
    service().Check(PrepareSubmission(request), {}, answer);
    return Answered<v1::CreateJobResponse>(reply);
  }
};

TEST_F(ValidateOnly, TellsTheCostAndMakesNothing) {
  const auto worker = Connect("w", 1);
  Create();
  Create();
  auto checked = Check(SmallRequest("m", 2));
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_EQ(checked->job().id(), "");
  EXPECT_EQ(checked->job().spec().sampler(), "ddim");  // defaults filled in
  EXPECT_EQ(checked->job().steps_total(), 40U);
  EXPECT_EQ(checked->estimate().evaluations(), 80);  // guided: two a step
  EXPECT_EQ(checked->estimate().queued_jobs(), 1U);
  EXPECT_GT(absl::Seconds(checked->estimate().estimated_wait().seconds()), absl::ZeroDuration());
  EXPECT_FALSE(checked->estimate().has_estimated_run());  // nobody has measured it
  EXPECT_EQ(store_.size(), 2U);

  v1::ConnectRequest capacity;
  capacity.mutable_capacity()->set_max_images(1);
  v1::ModelSpeed& speed = *capacity.mutable_capacity()->add_speeds();
  speed.set_model("m");
  speed.set_row_seconds(0.5);
  Say(worker, capacity);
  checked = Check(SmallRequest("m", 2));
  ASSERT_TRUE(checked.ok()) << checked.status();
  EXPECT_NEAR(static_cast<double>(checked->estimate().estimated_run().seconds()), 40, 1);
}

// What a scorer takes is counted as a row until a worker has measured it, also when that offers its models
// anew.
TEST_F(ValidateOnly, CountsAScorerAsItWasMeasured) {
  const auto worker = std::make_shared<FakeSession>();
  v1::Register registration;
  registration.set_name("w");
  *registration.add_models() = SmallModel("m");
  registration.mutable_models(0)->mutable_scorer()->set_kind(v1::SCORER_KIND_TEXT);
  registration.mutable_models(0)->mutable_scorer()->set_rows(99);  // no description's word
  ASSERT_TRUE(Register(worker, registration).ok());
  SayCapacity(worker, 1);
  v1::JobRequest request = SmallRequest();
  request.mutable_spec()->mutable_scorer_guidance()->set_scale(2);
  const auto evaluations = [&] {
    const auto checked = Check(request);
    EXPECT_TRUE(checked.ok()) << checked.status();
    return checked->estimate().evaluations();
  };
  EXPECT_EQ(evaluations(), 60);
  const auto measure = [&](const std::string& model, double rows) {
    v1::ConnectRequest capacity;
    capacity.mutable_capacity()->set_max_images(1);
    v1::ModelSpeed& speed = *capacity.mutable_capacity()->add_speeds();
    speed.set_model(model);
    speed.set_row_seconds(0.5);
    speed.set_scorer_rows(rows);
    Say(worker, capacity);
  };
  measure("m", 3);
  EXPECT_EQ(evaluations(), 100);
  for (const double none : {0.0, -1.0, std::nan("")}) measure("m", none);
  measure("another's", 7);
  EXPECT_EQ(evaluations(), 100);
  v1::ConnectRequest offer;
  *offer.mutable_models_offered()->mutable_models() = registration.models();
  Say(worker, offer);
  EXPECT_EQ(evaluations(), 100);
}

TEST_F(ValidateOnly, RefusesWhatWouldBeRefused) {
  EXPECT_EQ(Check(SmallRequest()).status().code(), absl::StatusCode::kUnavailable);  // no models
  options_.max_queue = 1;
  service_.reset();
  Connect("w", 1);
  v1::JobRequest request = SmallRequest();
  request.mutable_spec()->set_steps(5000);
  EXPECT_EQ(Check(request).status().code(), absl::StatusCode::kInvalidArgument);
  request = SmallRequest();
  request.set_request_id("two words");
  EXPECT_EQ(Check(request).status().code(), absl::StatusCode::kInvalidArgument);
  Create();
  Create();
  EXPECT_EQ(Check(SmallRequest()).status().code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace mind::server
