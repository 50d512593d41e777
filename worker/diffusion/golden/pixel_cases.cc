#include "worker/diffusion/golden/pixel_cases.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr double kPixelFloors = 20;  // likewise: of the recorded floor, where x grows large

// Of pictures: what the reference itself agrees to, carried from x to a picture.
double PictureTolerance(const nlohmann::json& item) {
  if (!item.contains("max_abs") || !item.at("max_abs").is_number()) return kSampledTolerance;
  const double floor = item.at("floor").at("final_rel_fp32_vs_fp64");
  return std::max(kSampledTolerance, kPixelFloors * floor * item.at("max_abs").get<double>() / 2);
}

// All pictures of a record are one trajectory: the reference's corrector mixes the norms of a batch.
struct Chain {
  std::unique_ptr<const Sampler> sampler;
  SampleState state;
  OrderedNoise* noise;  // the state's
  at::Tensor label;

  Chain(const PixelCase& c, int64_t steps) {
    const SamplerConfig& config = c.pipeline.sampler_config();
    sampler = MakeSampler(DefaultSamplerName(config), config, steps);
    std::vector<at::Tensor> draws;
    for (const auto& [number, draw] : c.record.Under("noise.")) draws.push_back(draw);
    if (draws.empty()) throw Error("the record has no \"noise.000\" to begin with");
    state.x = draws.front().to(c.pipeline.device()) * sampler->initial_scale();
    draws.erase(draws.begin());
    auto source = std::make_unique<OrderedNoise>(draws);
    noise = source.get();
    state.noise = std::move(source);
    if (c.record.Has("in.y")) label = c.record.Get("in.y").to(c.pipeline.device());
  }

  at::Tensor Evaluate(const Pipeline& pipeline, const at::Tensor& x, double timestep) const {
    return pipeline.denoiser()({.sample = x,
                                .timestep = at::full({x.size(0)}, timestep, x.options()),
                                .told = {{Condition::kLabel, label}}});
  }
};

void ComparePictures(const PixelCase& c, const at::Tensor& x, double tolerance, Report::Case& result) {
  const at::Tensor expected = c.record.Get("image");
  for (int64_t row = 0; row < x.size(0); ++row) {
    const at::Tensor picture = c.pipeline.Decode(x[row]);
    // Grey ones are recorded as one channel.
    result.Compare("image", picture, expected[row].expand_as(picture), tolerance);
  }
}

}  // namespace

PixelCheck PixelCheckFor(const std::string& pipeline) {
  if (pipeline.rfind("abarankab/DDPM", 0) == 0) return CheckReportChain;
  if (pipeline.rfind("openai glide", 0) == 0) return CheckGlideStages;
  if (pipeline == "ScoreSdeVePipeline") return CheckScoreSdeChain;
  return nullptr;
}

void CheckReportChain(const PixelCase& c, Report::Case& result) {
  Chain chain(c, c.item.at("num_timesteps").get<int64_t>());
  const at::Tensor steps = c.record.Get("steps");
  const int64_t evaluations = RunToEnd(
      *chain.sampler, chain.state,
      [&](const at::Tensor& x, double timestep) { return chain.Evaluate(c.pipeline, x, timestep); },
      [&] {
        const int64_t step = chain.state.step - 1;
        result.Compare("x " + std::to_string(step), chain.state.x, steps[step], kSampledTolerance);
      });
  result.ExpectEqual("evaluations", {evaluations}, {steps.size(0)});
  chain.noise->ExpectAllUsed();
  ComparePictures(c, chain.state.x, PictureTolerance(c.item), result);
}

void CheckScoreSdeChain(const PixelCase& c, Report::Case& result) {
  Chain chain(c, c.item.at("num_inference_steps").get<int64_t>());
  const at::Tensor inputs = c.record.Get("step_inputs"), outputs = c.record.Get("model_outputs_after_cfg");
  const at::Tensor after = c.record.Get("latents_per_step"), times = c.record.Get("timesteps");
  const SamplerConfig& config = c.pipeline.sampler_config();
  const double least = config.sigma_min.value(), range = config.sigma_max.value() / least;
  int64_t call = 0;
  RunToEnd(*chain.sampler, chain.state, [&](const at::Tensor& x, double sigma) {
    if (call == inputs.size(0))
      throw Error("the reference takes " + std::to_string(call) + " evaluations, we take more");
    const std::string number = std::to_string(call);
    result.Compare("input " + number, x, inputs[call], kSampledTolerance);
    if (call > 0) result.Compare("x before call " + number, x, after[call - 1], kSampledTolerance);
    const double time = times[chain.state.step].item<double>();
    result.Compare("sigma " + number, at::tensor(sigma), at::tensor(least * std::pow(range, time)),
                   kSampledTolerance);
    const at::Tensor output = chain.Evaluate(c.pipeline, x, sigma);
    result.Compare("output " + number, output, outputs[call], kSampledTolerance);
    ++call;
    return output;
  });
  result.ExpectEqual("evaluations", {call}, {inputs.size(0)});
  chain.noise->ExpectAllUsed(/*idle=*/1);  // the reference draws for its last step, and ends with the mean
  ComparePictures(c, chain.state.x, PictureTolerance(c.item), result);
}

}  // namespace mind::diffusion
