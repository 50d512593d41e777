// What tests of the engine share: the golden directory's small models, loaded once, and a request for one of
// them.
#ifndef MIND_TESTS_UNIT_DIFFUSION_ENGINE_RIG_H_
#define MIND_TESTS_UNIT_DIFFUSION_ENGINE_RIG_H_

#include <ATen/Parallel.h>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/diffusion/recorder.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {

// Every sampler a model with discrete training steps is offered.
inline std::vector<std::string> AllSamplers() {
  SamplerConfig config;
  config.class_name = "PNDMScheduler";
  std::vector<std::string> names;
  for (const SamplerInfo& sampler : SamplersFor(config)) names.push_back(sampler.name);
  return names;
}

class EngineRig : public testing::Test {
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

  inline static ModelCache* models_ = nullptr;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_UNIT_DIFFUSION_ENGINE_RIG_H_
