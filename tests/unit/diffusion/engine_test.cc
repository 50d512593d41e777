#include "worker/diffusion/engine/engine.h"

#include <ATen/Parallel.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/support/model_folder.h"
#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

using testing::HasSubstr;

// Remembers how many trajectories shared each batch.
class BatchSizes : public EngineMeter {
 public:
  void OnBatch(const Batch& batch) override {
    const std::lock_guard lock(mutex_);
    trace_.push_back(batch.trajectories);
  }
  std::vector<size_t> trace() {
    const std::lock_guard lock(mutex_);
    return trace_;
  }
  size_t largest() {
    const std::vector<size_t> all = trace();
    return all.empty() ? 0 : *std::max_element(all.begin(), all.end());
  }

 private:
  std::mutex mutex_;
  std::vector<size_t> trace_;
};

// Every sampler a model with discrete training steps is offered.
std::vector<std::string> AllSamplers() {
  SamplerConfig config;
  config.class_name = "PNDMScheduler";
  std::vector<std::string> names;
  for (const SamplerInfo& sampler : SamplersFor(config)) names.push_back(sampler.name);
  return names;
}

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    at::set_num_threads(1);
    if (models_ != nullptr) return;  // called for each suite that derives from this
    models_ = new ModelCache(std::string(MIND_TEST_DATA) + "/golden/models", {});
  }

  static Engine::Options Options() {
    Engine::Options options;
    options.row_threads = 2;
    options.checkpoint_interval = std::chrono::milliseconds(0);  // after every step
    options.decode = [](const std::string& file) {
      if (file == "nothing") return at::zeros({8, 8, 3}, at::kByte);
      if (file == "half")
        return at::cat({at::zeros({8, 4, 3}, at::kByte), at::full({8, 4, 3}, 255, at::kByte)}, 1);
      if (file != "stripes") throw RequestError("no such picture");
      return at::arange(48 * 80 * 3, at::kFloat).remainder(251).to(at::kByte).view({48, 80, 3});
    };
    return options;
  }

  // So many rows at a time that several pictures share a batch, whatever the machine.
  static Engine::Options WideOptions() {
    Engine::Options options = Options();
    options.row_threads = 8;
    return options;
  }

  static TrajectoryRequest Request(const std::string& sampler = "ddim", int64_t steps = 6,
                                   double guidance = 5) {
    TrajectoryRequest request;
    request.model = "sd1";
    request.picture.prompt = "a photo of a cat";
    request.picture.guidance = guidance;
    request.width = request.height = 64;
    request.sampler = sampler;
    request.steps = steps;
    request.seed = 7;
    return request;
  }

  static at::Tensor Alone(const TrajectoryRequest& request) {
    Engine engine(*models_, Options());
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    EXPECT_EQ(events->Wait(), Ending::kPicture);
    return events->picture;
  }

  // Of a request that must fail.
  static std::string ErrorOf(Engine& engine, const TrajectoryRequest& request) {
    auto events = std::make_shared<Recorder>();
    engine.Submit(request, events);
    EXPECT_EQ(events->Wait(), Ending::kFailed);
    return events->Error();
  }

  static ModelCache* models_;
};

ModelCache* EngineTest::models_ = nullptr;

// Eight requests that differ in everything, with every sampler once in some eight.
class EngineMixTest : public EngineTest, public testing::WithParamInterface<size_t> {};

TEST_P(EngineMixTest, APictureDoesNotDependOnItsNeighbours) {
  constexpr size_t kTogether = 8;
  const std::vector<std::string> samplers = AllSamplers();
  std::vector<TrajectoryRequest> requests;
  for (size_t i = 0; i < kTogether; ++i) {
    const std::string& sampler = samplers[(GetParam() * kTogether + i) % samplers.size()];
    TrajectoryRequest request =
        Request(sampler, 5 + 2 * static_cast<int64_t>(i), 1 + static_cast<double>(i) * 1.5);
    request.seed = i;
    if (i % 4 == 3) request.width = 96;
    requests.push_back(request);
  }
  BatchSizes sizes;
  std::vector<std::shared_ptr<Recorder>> together;
  {
    Engine engine(*models_, WideOptions(), &sizes);
    for (const TrajectoryRequest& request : requests) {
      together.push_back(std::make_shared<Recorder>());
      engine.Submit(request, together.back());
    }
    for (const auto& events : together) EXPECT_EQ(events->Wait(), Ending::kPicture);
  }
  EXPECT_GT(sizes.largest(), 1U);
  for (size_t i = 0; i < requests.size(); ++i) {
    EXPECT_TRUE(at::equal(together[i]->picture, Alone(requests[i]))) << requests[i].sampler;
    const std::lock_guard lock(together[i]->mutex);
    ASSERT_FALSE(together[i]->previews.empty()) << requests[i].sampler;
    EXPECT_LE(together[i]->previews.front(), 2) << requests[i].sampler;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EngineMixTest, testing::Range(size_t{0}, (AllSamplers().size() + 7) / 8));

TEST_F(EngineTest, SamplersOfAllKindsShareBatchesWithoutWaiting) {
  // 50 steps of one evaluation, 20 of two, and an adaptive one that takes as many as it takes.
  const std::vector<TrajectoryRequest> requests = {Request("ddim", 50), Request("heun", 20),
                                                   Request("ode_rk45", 10)};
  std::vector<size_t> alone;  // evaluations of each
  for (const TrajectoryRequest& request : requests) {
    BatchSizes sizes;
    {
      Engine engine(*models_, Options(), &sizes);
      auto events = std::make_shared<Recorder>();
      engine.Submit(request, events);
      ASSERT_EQ(events->Wait(), Ending::kPicture);
    }
    alone.push_back(sizes.trace().size());
  }
  EXPECT_EQ(alone[0], 50U);
  EXPECT_EQ(alone[1], 39U);
  EXPECT_GT(alone[2], 12U);
  BatchSizes sizes;
  {
    Engine::Options options = WideOptions();
    options.side_threads = 1;  // prepares them in order
    Engine engine(*models_, options, &sizes);
    std::vector<std::shared_ptr<Recorder>> events;
    // Prepared last, and refused: then the others are ready.
    auto last = std::make_shared<Recorder>();
    for (const TrajectoryRequest& request : requests) {
      events.push_back(std::make_shared<Recorder>());
      if (events.size() == 1) {
        events.back()->on_step = [&](int64_t step) {
          if (step == 1) last->Wait();
        };
      }
      engine.Submit(request, events.back());
    }
    engine.Submit(Request("ddim", 0), last);
    for (const auto& one : events) ASSERT_EQ(one->Wait(), Ending::kPicture);
  }
  const std::vector<size_t> trace = sizes.trace();
  size_t evaluations = 0;
  for (const size_t size : trace) evaluations += size;
  EXPECT_EQ(evaluations, alone[0] + alone[1] + alone[2]);
  // From the first step on all three are there. As many batches as the longest takes alone, and one more for
  // the evaluation before the others came: nobody waits.
  EXPECT_LE(trace.size(), *std::max_element(alone.begin(), alone.end()) + 1);
  EXPECT_GE(std::count(trace.begin(), trace.end(), 3U), 11);
}

class EngineSamplerTest : public EngineTest, public testing::WithParamInterface<std::string> {};

TEST_P(EngineSamplerTest, GoesOnFromEveryCheckpointToTheSamePicture) {
  TrajectoryRequest request = Request(GetParam());
  if (GetParam() == "ddim") request.sampler_parameters["eta"] = 0.7;
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  std::map<int64_t, std::string> checkpoints;
  {
    const std::lock_guard lock(whole->mutex);
    checkpoints = whole->checkpoints;
  }
  ASSERT_GE(checkpoints.size(), 4U);
  for (const auto& [step, bytes] : checkpoints) {
    TrajectoryRequest rest = request;
    rest.checkpoint = bytes;
    auto events = std::make_shared<Recorder>();
    engine.Submit(rest, events);
    ASSERT_EQ(events->Wait(), Ending::kPicture);
    EXPECT_EQ(events->started_at, step);
    EXPECT_TRUE(at::equal(events->picture, whole->picture)) << "from step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(All, EngineSamplerTest, testing::ValuesIn(AllSamplers()),
                         [](const auto& info) { return info.param; });

TEST_F(EngineTest, AHandedBackPictureGoesOnElsewhere) {
  const TrajectoryRequest request = Request("heun", 8);
  std::string bytes;
  {
    Engine engine(*models_, Options());
    auto events = std::make_shared<Recorder>();
    uint64_t id = 0;
    std::promise<void> submitted;
    std::shared_future<void> ready = submitted.get_future().share();
    events->on_step = [&](int64_t step) {
      ready.wait();
      if (step == 3) engine.HandBack(id);
    };
    id = engine.Submit(request, events);
    submitted.set_value();
    ASSERT_EQ(events->Wait(), Ending::kHandedBack);
    bytes = events->handed_back;
  }
  ASSERT_FALSE(bytes.empty());
  TrajectoryRequest rest = request;
  rest.checkpoint = bytes;
  EXPECT_TRUE(at::equal(Alone(rest), Alone(request)));
}

TEST_F(EngineTest, ACancelledPictureStopsWithinAStep) {
  Engine engine(*models_, Options());
  auto events = std::make_shared<Recorder>();
  uint64_t id = 0;
  std::promise<void> submitted;
  std::shared_future<void> ready = submitted.get_future().share();
  events->on_step = [&](int64_t step) {
    ready.wait();
    if (step == 3) engine.Cancel(id);
  };
  id = engine.Submit(Request("ddim", 500), events);
  submitted.set_value();
  EXPECT_EQ(events->Wait(), Ending::kCancelled);
  EXPECT_LE(events->steps, 4);
}

TEST_F(EngineTest, DestructionCancelsWhatIsLeft) {
  auto events = std::make_shared<Recorder>();
  {
    Engine engine(*models_, Options());
    engine.Submit(Request("ddim", 1000), events);
  }
  EXPECT_EQ(events->Wait(), Ending::kCancelled);
}

// Of one priority all share the cores; a higher one has them to itself, to the same bytes, and the lower one
// goes on when it is done, to the same bytes too.
TEST_F(EngineTest, AHigherPriorityDoesNotPayForALowerOne) {
  TrajectoryRequest low = Request("ddim", 60), high = Request("euler", 10);
  high.priority = 1;
  low.seed = 8;
  const at::Tensor high_alone = Alone(high), low_alone = Alone(low);
  BatchSizes sizes;
  Engine engine(*models_, Options(), &sizes);  // two cores: one picture's two rows
  auto low_events = std::make_shared<Recorder>(), high_events = std::make_shared<Recorder>();
  std::promise<void> low_runs;
  int64_t low_steps = 0, low_steps_meanwhile = -1;  // the step thread's
  low_events->on_step = [&](int64_t step) {
    low_steps = step;
    if (step == 1) low_runs.set_value();
  };
  high_events->on_step = [&, before = int64_t{0}](int64_t step) mutable {
    if (step == 1) before = low_steps;
    if (step == 10) low_steps_meanwhile = low_steps - before;
  };
  engine.Submit(low, low_events);
  low_runs.get_future().wait();
  engine.Submit(high, high_events);
  ASSERT_EQ(high_events->Wait(), Ending::kPicture) << high_events->Error();
  ASSERT_EQ(low_events->Wait(), Ending::kPicture) << low_events->Error();
  // Nine steps earn the lower one less than half of one.
  EXPECT_EQ(low_steps_meanwhile, 0);
  EXPECT_EQ(sizes.largest(), 1U);
  EXPECT_TRUE(at::equal(high_events->picture, high_alone));
  EXPECT_TRUE(at::equal(low_events->picture, low_alone));
}

// A model whose weights are damaged so that nothing but NaN comes out.
TEST_F(EngineTest, NumbersThatAreNotFiniteMakeNoPicture) {
  support::ModelFolder folder;
  folder.Add("nan", "sd1");
  const std::filesystem::path unet = folder.path() + "/nan/unet",
                              golden = support::ModelFolder::Golden() / "models/sd1/unet";
  std::filesystem::remove(unet);
  std::filesystem::create_directory(unet);
  std::filesystem::copy(golden / "config.json", unet / "config.json");
  std::map<std::string, at::Tensor> tensors =
      SafeTensors::Open((golden / "diffusion_pytorch_model.safetensors").string()).tensors();
  tensors.at("conv_out.bias") = at::full_like(tensors.at("conv_out.bias"), NAN);
  std::ofstream(unet / "diffusion_pytorch_model.safetensors", std::ios::binary)
      << SerializeSafeTensors(tensors);
  ModelCache models(folder.path(), {});
  Engine engine(models, Options());
  TrajectoryRequest request = Request();
  request.model = "nan";
  EXPECT_THAT(ErrorOf(engine, request),
              testing::AllOf(HasSubstr("the model \"nan\" made latents"), HasSubstr("not finite")));
}

// Of the same name and the same request, but with other weights.
TEST_F(EngineTest, ACheckpointOfAnotherRevisionOfTheModelIsRefused) {
  auto whole = std::make_shared<Recorder>();
  TrajectoryRequest request = Request();
  {
    Engine engine(*models_, Options());
    engine.Submit(request, whole);
    ASSERT_EQ(whole->Wait(), Ending::kPicture);
  }
  ASSERT_FALSE(whole->checkpoints.empty());
  request.checkpoint = whole->checkpoints.begin()->second;
  support::ModelFolder folder;
  folder.Add("sd1", "sd1");
  const std::filesystem::path scheduler = folder.path() + "/sd1/scheduler";
  std::filesystem::remove(scheduler);
  std::filesystem::create_directory(scheduler);
  std::ofstream(scheduler / "scheduler_config.json") << R"({"_class_name": "DDIMScheduler"})";
  ModelCache other(folder.path(), {});
  Engine engine(other, Options());
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("another revision of the model \"sd1\""));
}

TEST_F(EngineTest, TheRevisionIsWhatTheModelsAreListedWith) {
  std::set<std::string> revisions;
  for (const ModelInfo& info : models_->models()) {
    EXPECT_FALSE(info.revision.empty()) << info.name;
    EXPECT_EQ(models_->Get(info.name)->info().revision, info.revision);
    EXPECT_TRUE(revisions.insert(info.revision).second) << info.name;
  }
}

// Each field by itself: a fingerprint that overlooks one lets checkpoints of another picture pass.
TEST_F(EngineTest, EveryFieldThatMakesAnotherPictureIsInTheFingerprint) {
  const std::vector<std::function<void(TrajectoryRequest&)>> changes = {
      [](TrajectoryRequest& r) { r.model = "sd2"; },
      [](TrajectoryRequest& r) { r.picture.prompt += "!"; },
      [](TrajectoryRequest& r) { r.picture.negative_prompt = "blur"; },
      [](TrajectoryRequest& r) { r.picture.guidance += 1; },
      [](TrajectoryRequest& r) { r.picture.guidance_rescale = 0.5; },
      [](TrajectoryRequest& r) { r.picture.clip_skip = 1; },
      [](TrajectoryRequest& r) { r.picture.label = 0; },
      [](TrajectoryRequest& r) { r.picture.noise_level += 1; },
      [](TrajectoryRequest& r) {
        r.picture.loras.push_back({"style", 1});
      },
      [](TrajectoryRequest& r) {
        r.picture.loras.push_back({"style", 0.5});
      },
      [](TrajectoryRequest& r) { r.width = 72; },
      [](TrajectoryRequest& r) { r.height = 72; },
      [](TrajectoryRequest& r) { r.sampler = "euler"; },
      [](TrajectoryRequest& r) { r.steps += 1; },
      [](TrajectoryRequest& r) { r.sampler_parameters["eta"] = 0.5; },
      [](TrajectoryRequest& r) { r.seed += 1; },
      [](TrajectoryRequest& r) { r.source = "a"; },
      [](TrajectoryRequest& r) { r.mask = "a"; },
      [](TrajectoryRequest& r) { r.depth = "a"; },
      [](TrajectoryRequest& r) { r.strength = 0.5; }};
  std::set<std::string> fingerprints = {Fingerprint(Request())};
  for (size_t i = 0; i < changes.size(); ++i) {
    TrajectoryRequest changed = Request();
    changes[i](changed);
    EXPECT_TRUE(fingerprints.insert(Fingerprint(changed)).second) << i;
  }
  TrajectoryRequest shown = Request();
  shown.priority = 1;
  shown.preview_every = 7;
  shown.checkpoint = "bytes";
  EXPECT_EQ(Fingerprint(shown), Fingerprint(Request()));
}

TEST_F(EngineTest, ABadRequestFailsAloneAndSaysWhy) {
  Engine engine(*models_, Options());
  const auto error_of = [&](const TrajectoryRequest& request) { return ErrorOf(engine, request); };
  TrajectoryRequest request = Request();
  request.model = "absent";
  EXPECT_THAT(error_of(request), HasSubstr("no model named \"absent\""));
  EXPECT_THAT(error_of(Request("magic")), testing::AllOf(HasSubstr("magic"), HasSubstr("dpmpp_2m")));
  EXPECT_THAT(error_of(Request("ddim", 0)), HasSubstr("steps must be 1 to 1000"));
  request = Request();
  request.width = 65;
  EXPECT_THAT(error_of(request), HasSubstr("multiples of 8"));
  request = Request();
  request.checkpoint = "rubbish";
  EXPECT_THAT(error_of(request), HasSubstr("checkpoint"));
}

TEST_F(EngineTest, ACheckpointOfAnotherRequestIsRefused) {
  Engine engine(*models_, Options());
  auto first = std::make_shared<Recorder>();
  engine.Submit(Request(), first);
  ASSERT_EQ(first->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  TrajectoryRequest other = Request();
  other.seed = 8;
  {
    const std::lock_guard lock(first->mutex);
    ASSERT_FALSE(first->checkpoints.empty());
    other.checkpoint = first->checkpoints.begin()->second;
  }
  auto events = std::make_shared<Recorder>();
  engine.Submit(other, events);
  ASSERT_EQ(events->Wait(), Ending::kFailed);
  EXPECT_THAT(events->Error(), HasSubstr("belongs to another request"));
}

TEST_P(EngineSamplerTest, BeginsFromAPictureAndGoesOnFromItsCheckpoints) {
  TrajectoryRequest request = Request(GetParam(), 8);
  request.source = "stripes";
  request.strength = 0.6;
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture) << whole->Error();
  engine.WaitUntilIdle();
  EXPECT_EQ(whole->started_at, 0);
  EXPECT_EQ(whole->steps, 8);
  TrajectoryRequest rest = request;
  {
    const std::lock_guard lock(whole->mutex);
    ASSERT_FALSE(whole->checkpoints.empty());
    EXPECT_GE(whole->checkpoints.begin()->first, 5);  // the first four steps were never taken
    rest.checkpoint = whole->checkpoints.begin()->second;
  }
  auto resumed = std::make_shared<Recorder>();
  engine.Submit(rest, resumed);
  ASSERT_EQ(resumed->Wait(), Ending::kPicture);
  EXPECT_TRUE(at::equal(resumed->picture, whole->picture));
}

TEST_F(EngineTest, ADamagedCheckpointIsRefused) {
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  TrajectoryRequest request = Request("dpm_adaptive");
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture);
  engine.WaitUntilIdle();
  {
    const std::lock_guard lock(whole->mutex);
    ASSERT_FALSE(whole->checkpoints.empty());
    request.checkpoint = whole->checkpoints.begin()->second;
  }
  request.checkpoint.back() ^= 1;  // in the data of the last tensor
  EXPECT_THAT(ErrorOf(engine, request), HasSubstr("the checkpoint is damaged"));
}

TEST_F(EngineTest, ASourcePictureMakesADifference) {
  TrajectoryRequest request = Request("ddim", 10);
  const at::Tensor without = Alone(request);
  request.source = "stripes";
  request.strength = 1;
  const at::Tensor strong = Alone(request);
  request.strength = 0.2;
  const at::Tensor weak = Alone(request);
  EXPECT_FALSE(at::equal(without, strong));
  EXPECT_FALSE(at::equal(strong, weak));
}

TEST_P(EngineSamplerTest, PaintsOnlyWhereTheMaskIsAndGoesOnFromCheckpoints) {
  TrajectoryRequest request = Request(GetParam(), 8);
  request.source = "stripes";
  request.mask = "half";
  request.strength = 0.6;
  Engine engine(*models_, Options());
  auto whole = std::make_shared<Recorder>();
  engine.Submit(request, whole);
  ASSERT_EQ(whole->Wait(), Ending::kPicture) << whole->Error();
  engine.WaitUntilIdle();
  TrajectoryRequest rest = request;
  {
    const std::lock_guard lock(whole->mutex);
    ASSERT_FALSE(whole->checkpoints.empty());
    rest.checkpoint = whole->checkpoints.rbegin()->second;
  }
  auto resumed = std::make_shared<Recorder>();
  engine.Submit(rest, resumed);
  ASSERT_EQ(resumed->Wait(), Ending::kPicture);
  EXPECT_TRUE(at::equal(resumed->picture, whole->picture));
}

TEST_F(EngineTest, AMaskKeepsTheRest) {
  TrajectoryRequest request = Request("ddim", 6);
  request.source = "stripes";
  request.mask = "nothing";  // black: all is kept
  const at::Tensor kept = Alone(request);
  request.seed += 1;  // the autoencoder draws, but nothing else does
  const at::Tensor again = Alone(request);
  const double difference = (kept.to(at::kFloat) - again.to(at::kFloat)).abs().mean().item<double>();
  request.mask = "half";
  const at::Tensor half = Alone(request);
  EXPECT_FALSE(at::equal(half, again));
  request.mask.clear();
  request.strength = 1;
  EXPECT_GT((Alone(request).to(at::kFloat) - again.to(at::kFloat)).abs().mean().item<double>(), difference);
}

TEST_F(EngineTest, ABadSourcePictureFailsAloneAndSaysWhy) {
  Engine engine(*models_, Options());
  TrajectoryRequest request = Request();
  const auto error_of = [&](const std::string& source, double strength) {
    request.source = source;
    request.strength = strength;
    return ErrorOf(engine, request);
  };
  EXPECT_THAT(error_of("dots", 0.5), HasSubstr("no such picture"));
  request.mask = "half";
  EXPECT_THAT(error_of("", 0.5), HasSubstr("a mask needs a source picture"));
  request.mask.clear();
  EXPECT_THAT(error_of("stripes", 1.5), HasSubstr("strength must be 0 to 1"));
  EXPECT_THAT(error_of("stripes", 0.1), HasSubstr("leaves none of 6 steps"));
}

TEST_F(EngineTest, ServesModelsWithoutAPrompt) {
  TrajectoryRequest request;
  request.model = "ddpm-cifar";
  request.width = request.height = 16;
  request.sampler = "ddpm";
  request.steps = 10;
  EXPECT_EQ(Alone(request).sizes(), at::IntArrayRef({16, 16, 3}));
}

}  // namespace
}  // namespace mind::diffusion
