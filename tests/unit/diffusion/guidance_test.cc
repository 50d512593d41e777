// Guidance: the steps it acts in, and what it makes of the rows.
#include "worker/diffusion/pipelines/guidance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "tests/unit/diffusion/engine_rig.h"
#include "tests/unit/diffusion/made_alone.h"
#include "tests/unit/diffusion/model_with.h"

namespace mind::diffusion {
namespace {

TEST(Guidance, StepsAreRoundedDownAtBothEnds) {
  const GuidedSteps steps{0.25, 0.75};
  std::vector<int64_t> guided;
  for (int64_t step = 0; step < 10; ++step) {
    if (steps.Has(step, 10)) guided.push_back(step);
  }
  EXPECT_THAT(guided, testing::ElementsAre(2, 3, 4, 5, 6));
  EXPECT_EQ(steps.Count(0, 10, 10), 5);
  EXPECT_EQ(steps.Count(4, 10, 10), 3);
  EXPECT_EQ(steps.Count(7, 10, 10), 0);
  EXPECT_TRUE(GuidedSteps().all());
  EXPECT_EQ(GuidedSteps().Count(0, 7, 7), 7);
}

TEST(Guidance, WhereItDoesNotActOnlyTheRequestsOwnRowIsEvaluated) {
  Conditioning conditioning;
  conditioning.rows.resize(3);
  conditioning.guidance.steps = {0.5, 1};
  const CallNumber early{.number = 1, .of = 8, .step = 1, .steps = 4};
  const CallNumber late{.number = 5, .of = 8, .step = 2, .steps = 4};
  EXPECT_EQ(conditioning.RowsAt(early).size(), 1U);
  EXPECT_EQ(conditioning.RowsAt(late).size(), 3U);
  EXPECT_DOUBLE_EQ(conditioning.MeanRows(0, 4, 4), 2);
  EXPECT_DOUBLE_EQ(conditioning.MeanRows(1, 4, 4), 7.0 / 3);
  conditioning.perturbed_guidance = 2;  // which goes on
  EXPECT_EQ(conditioning.RowsAt(early).size(), 2U);
  EXPECT_EQ(conditioning.RowsAt(late).size(), 3U);
}

// diffusers: num_inference_steps * start < i < num_inference_steps * stop.
TEST(Guidance, PerturbedStepsLieBetweenTheirBounds) {
  const auto of = [](const PerturbedSteps& steps, int64_t count) {
    std::vector<int64_t> acting;
    for (int64_t step = 0; step < count; ++step) {
      if (steps.Has(step, count)) acting.push_back(step);
    }
    EXPECT_EQ(steps.Count(0, count, count), static_cast<int64_t>(acting.size()));
    return acting;
  };
  EXPECT_THAT(of({.after = 0.01, .before = 0.2}, 28), testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(of({.after = 0.25, .before = 0.75}, 8), testing::ElementsAre(3, 4, 5));  // neither bound
  EXPECT_THAT(of({.after = 0, .before = 1}, 3), testing::ElementsAre(1, 2));
  EXPECT_THAT(of({}, 3), testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(of({.after = 0.5, .before = 0.52}, 10), testing::IsEmpty());
  EXPECT_EQ((PerturbedSteps{.after = 0.25, .before = 0.75}.Count(4, 8, 8)), 2);
}

TEST(Guidance, WhereNothingIsPerturbedThereIsNoRowForIt) {
  Conditioning conditioning;
  const auto answer = [](double value) { return at::full({1, 1, 1}, value); };
  for (const double value : {1.0, 2.0, 3.0}) conditioning.rows.push_back({{Condition::kText, answer(value)}});
  conditioning.perturbed_guidance = 2;
  conditioning.perturbed_steps = {.after = 0.25, .before = 1};
  conditioning.guidance.scale = 3;
  conditioning.guidance.steps = {0, 0.75};
  const auto at = [](int64_t step) { return CallNumber{.number = step, .of = 4, .step = step, .steps = 4}; };
  const auto seen = [&](int64_t step) {
    std::vector<double> values;
    for (const Told& row : conditioning.RowsAt(at(step)))
      values.push_back(row[Condition::kText].item<double>());
    EXPECT_EQ(values.size(), conditioning.RowCountAt(at(step)));
    return values;
  };
  EXPECT_THAT(seen(1), testing::ElementsAre(1, 2));  // that guidance leads away from, and its own
  EXPECT_THAT(seen(2), testing::ElementsAre(1, 2, 3));
  EXPECT_THAT(seen(3), testing::ElementsAre(2, 3));  // its own, and the same perturbed
  EXPECT_DOUBLE_EQ(conditioning.MeanRows(0, 4, 4), 2.25);
  EXPECT_DOUBLE_EQ(conditioning.MeanRows(3, 4, 4), 2);
  GuidanceMemory none;
  const std::vector<at::Tensor> two = {answer(1), answer(2)};
  EXPECT_EQ(Guide(conditioning, two, 0, none, /*perturbed=*/false).item<float>(), 1 + 3 * (2 - 1));
  EXPECT_EQ(Guide(conditioning, two, 0, none, /*perturbed=*/true).item<float>(), 1 + 2 * (1 - 2));
}

// |with| = 5; guided with a scale of 2 it is (6, 8), of twice that length.
TEST(Guidance, IsNoLongerThanItMayBe) {
  Conditioning conditioning;
  conditioning.guidance.scale = 2;
  const std::vector<at::Tensor> answers = {at::zeros({1, 1, 2}), at::tensor({3.0F, 4.0F}).view({1, 1, 2})};
  const auto length = [&] {
    GuidanceMemory none;
    return Guide(conditioning, answers, 0, none).norm().item<double>();
  };
  EXPECT_NEAR(length(), 10, 1e-5);
  conditioning.longest = 3;
  EXPECT_NEAR(length(), 10, 1e-5);
  conditioning.longest = 1.5;
  EXPECT_NEAR(length(), 7.5, 1e-5);
}

// Two evaluations at scale 4, the answers with and without below. Expected values were computed apart, in
// float64 over plain lists, by diffusers' formula (guiders/adaptive_projected_guidance.py,
// normalized_guidance):
//   lead = with - without;  sum = lead + momentum·sum, lead = sum;  lead *= min(1, longest / |lead|)
//   v = with / |with|;  along = (lead·v) v;  answer = without + 4 (lead - along + eta along)
struct ProjectedCase {
  Projection projection;
  std::vector<float> first, second;
};

TEST(Guidance, IsProjectedAsTheReferenceDoes) {
  const auto answer = [](std::vector<float> numbers) { return at::tensor(numbers).view({1, 2, 2}); };
  const at::Tensor with[] = {answer({1, -2, 0.5, 3}), answer({0.25, 1.5, -1, 2})};
  const at::Tensor without[] = {answer({0.5, -1, 1, -1}), answer({1, 0.5, -0.5, 0.25})};
  const ProjectedCase cases[] = {
      {{.along = 0}, {-1.5, 3, -3, 3}, {-2.7264957, 0.14102564, 0.40598291, 1.4380342}},
      {{.longest = 2},
       {1.4561829, -2.9123658, 0.043817113, 6.6494631},
       {-1.7174649, 4.1232865, -2.3116433, 6.5907514}},
      {{.longest = 2, .along = 0.25},
       {0.021908556, -0.043817113, -0.67332005, 2.3466401},
       {-2.2110215, 1.1619466, -0.33741663, 2.6422981}},
      {{.momentum = -0.5, .longest = 2, .along = 0},
       {-0.45618289, 0.91236577, -0.91236577, 0.91236577},
       {-3.2393162, 5.0641026, -0.54273504, -2.6645299}}};
  for (const ProjectedCase& one : cases) {
    Conditioning conditioning;
    conditioning.rows.resize(2);
    conditioning.guidance = {.scale = 4, .projection = one.projection};
    GuidanceMemory memory;
    const at::Tensor first = Guide(conditioning, {without[0], with[0]}, 500, memory);
    EXPECT_TRUE(at::allclose(first, answer(one.first), 1e-5, 1e-6)) << first;
    EXPECT_EQ(memory.defined(), one.projection.momentum != 0);
    const at::Tensor second = Guide(conditioning, {without[1], with[1]}, 400, memory);
    EXPECT_TRUE(at::allclose(second, answer(one.second), 1e-5, 1e-6)) << second;
  }
}

TEST(Guidance, WhereItDoesNotActNothingIsRemembered) {
  Conditioning conditioning;
  conditioning.rows.resize(2);
  conditioning.guidance = {.scale = 4, .projection = {.momentum = 0.5}};
  GuidanceMemory memory;
  const at::Tensor own = at::rand({1, 2, 2});
  EXPECT_TRUE(at::equal(Guide(conditioning, {own}, 500, memory), own));
  EXPECT_FALSE(memory.defined());
}

class GuidanceOfPictures : public EngineRig {
 protected:
  static TrajectoryRequest Within(double begin, double end, const std::string& sampler = "ddim") {
    TrajectoryRequest request = Request(sampler, /*steps=*/10);
    request.picture.guided_steps = {begin, end};
    return request;
  }
  static TrajectoryRequest Projected(double momentum) {
    TrajectoryRequest request = Request("euler", /*steps=*/8);
    request.picture.projection = {.momentum = momentum, .longest = 10, .along = 0};
    return request;
  }
  static void ExpectTheSameFromEveryCheckpoint(const TrajectoryRequest& request) {
    const auto whole = MadeAlone(*models_, Options(), request);
    ASSERT_EQ(whole->Error(), "");
    ASSERT_GE(whole->checkpoints.size(), 4U);
    for (const auto& [step, bytes] : whole->checkpoints) {
      TrajectoryRequest rest = request;
      rest.checkpoint = bytes;
      EXPECT_TRUE(at::equal(Alone(rest), whole->picture)) << request.sampler << " from step " << step;
    }
  }
  // Of each by itself and of all in the same batches.
  static void ExpectNeighboursToMakeNoDifference(const std::vector<TrajectoryRequest>& requests) {
    Engine engine(*models_, WideOptions());
    std::vector<std::shared_ptr<Recorder>> together;
    for (const TrajectoryRequest& request : requests)
      engine.Submit(request, together.emplace_back(std::make_shared<Recorder>()));
    for (size_t i = 0; i < requests.size(); ++i) {
      ASSERT_EQ(together[i]->Wait(), Ending::kPicture) << i << together[i]->Error();
      EXPECT_TRUE(at::equal(together[i]->picture, Alone(requests[i]))) << i;
    }
  }
};

TEST_F(GuidanceOfPictures, StepsWithoutGuidanceTakeOneRow) {
  const std::shared_ptr<const Pipeline> model = models_->Get("sd1");
  std::atomic<int64_t> rows = 0;
  ModelWith counted(model, [&](const DenoiserInput& input) {
    rows += input.sample.size(0);
    return model->denoiser()(input);
  });
  const at::Tensor some = PictureMadeAlone(counted, Options(), Within(0.25, 0.75));
  EXPECT_EQ(rows, 10 + 5);
  rows = 0;
  TrajectoryRequest late = Within(0.25, 0.75);
  late.source = "stripes";
  late.strength = 0.5;
  PictureMadeAlone(counted, Options(), late);
  EXPECT_EQ(rows, 5 + 2);  // steps 1 and 2 of the five that are taken
  EXPECT_FALSE(at::equal(some, Alone(Within(0, 1))));
  EXPECT_FALSE(at::equal(some, Alone(Request("ddim", 10, /*guidance=*/1))));
  // In no step whole.
  EXPECT_TRUE(at::equal(Alone(Within(0.91, 0.99)), Alone(Request("ddim", 10, /*guidance=*/1))));
}

TEST_F(GuidanceOfPictures, FromAnyCheckpointThePictureComesOutTheSame) {
  ExpectTheSameFromEveryCheckpoint(Within(0.2, 0.7));
  ExpectTheSameFromEveryCheckpoint(Within(0.2, 0.7, "heun"));
  TrajectoryRequest from_picture = Within(0.2, 0.7);
  from_picture.source = "stripes";
  from_picture.strength = 0.8;
  ExpectTheSameFromEveryCheckpoint(from_picture);
}

TEST_F(GuidanceOfPictures, WhatGuidanceRemembersIsInTheCheckpoint) {
  for (const char* const sampler : {"ddim", "heun"}) {
    TrajectoryRequest request = Within(0.2, 0.8, sampler);
    request.picture.projection = {.momentum = -0.5, .longest = 10, .along = 0.2};
    ExpectTheSameFromEveryCheckpoint(request);
    TrajectoryRequest other = request;
    other.picture.projection.momentum = 0;
    EXPECT_FALSE(at::equal(Alone(other), Alone(request)));
  }
}

TEST_F(GuidanceOfPictures, NeighboursMakeNoDifference) {
  ExpectNeighboursToMakeNoDifference({Within(0.2, 0.7), Within(0, 1), Within(0.5, 1, "heun"),
                                      Request("ddim", 8, 1), Within(0, 0.3), Projected(-0.5),
                                      Projected(0.5)});
}

}  // namespace
}  // namespace mind::diffusion
