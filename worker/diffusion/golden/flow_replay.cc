#include "worker/diffusion/golden/flow_replay.h"

#include <memory>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/samplers/flow_shift.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr double kFlowLevelTolerance = 1e-6;

std::unique_ptr<const Sampler> FlowSampler(const FlowRun& run, at::IntArrayRef shape) {
  const SamplerConfig& own = run.pipeline.sampler_config();
  SamplerConfig config = own;
  if (run.item.contains("scheduler")) {
    config = SamplerConfig::From(Config(run.item.at("scheduler"), "the case's scheduler"));
    if (own.flow.layout == FlowLayout::kSteps) config.flow.SpaceBySteps();
    config.flow.mu = own.flow.mu;
    config.flow.patch = own.flow.patch;
  }
  config = OfPicture(config, shape);
  return MakeSampler(DefaultSamplerName(config), config, run.item.at("num_inference_steps").get<int64_t>());
}

// All draws are made before the first step; or the noise is given.
std::vector<at::Tensor> FlowDraws(const FlowRun& run, int64_t row) {
  if (run.record.Has("in.latents")) return {run.record.Get("in.latents")[row]};
  std::vector<at::Tensor> draws;
  for (const auto& draw : run.item.at("noise_draws")) draws.push_back(run.record.Get(draw.at("tensor"))[row]);
  return draws;
}

void CheckFlowLevels(const FlowRun& run, const Sampler& sampler, Report::Case& result) {
  const at::Tensor sigmas = run.record.Get("sigmas"), timesteps = run.record.Get("timesteps");
  result.ExpectEqual("steps", {sampler.steps()}, {timesteps.size(0)});
  for (int64_t step = 0; step < sampler.steps(); ++step) {
    const NoiseLevel level = sampler.LevelOf(step);
    result.Compare("sigma " + std::to_string(step), at::tensor(level.sigma),
                   at::tensor(sigmas[step].item<double>()), kFlowLevelTolerance);
    result.Compare("timestep " + std::to_string(step), at::tensor(level.timestep + 1000),
                   at::tensor(timesteps[step].item<double>() + 1000), kFlowLevelTolerance);
  }
}

void CheckFlowRow(const FlowRun& run, int64_t row, Report::Case& result) {
  const Pipeline& pipeline = run.pipeline;
  PictureRequest request;
  ReadTextRequest(run.item, row / run.item.value("num_images_per_prompt", int64_t{1}), request);
  if (run.request) run.request(request);
  const std::vector<int64_t> shape =
      pipeline.ShapeFor(request, run.item.at("width").get<int64_t>(), run.item.at("height").get<int64_t>());
  const std::unique_ptr<const Sampler> sampler = FlowSampler(run, shape);
  CheckFlowLevels(run, *sampler, result);
  const Source source = run.source ? run.source(row) : Source();
  Conditioning conditioning = pipeline.Condition(request, shape);
  OrderedNoise noise(FlowDraws(run, row));
  const Start start = pipeline.Begin(source, request, shape, noise);
  noise.ExpectAllUsed();
  pipeline.Tell(source, start, request, conditioning);

  const at::Tensor outputs = run.record.Get("model_outputs_after_cfg"),
                   latents = run.record.Get("latents_per_step");
  SampleState state = Beginning(start, source.strength, *sampler);
  const at::Tensor first = run.record.Get("step_input_0")[row];
  result.Compare("first x", AsRecorded(state.x, first), first, kSampledTolerance);
  int64_t call = 0;
  GuidanceMemory memory;
  RunToEnd(
      *sampler, state,
      [&](const at::Tensor& x, double timestep) {
        if (call == outputs.size(0)) throw Error("we take more evaluations than the reference");
        const std::vector<at::Tensor> answers = EvaluateRows(pipeline.denoiser(), conditioning, x, timestep);
        if (call == 0) run.first_call({row, request, conditioning, x, timestep, answers});
        const size_t guided = conditioning.RowCountAt(
            {.number = call, .of = outputs.size(0), .step = call, .steps = outputs.size(0)});
        const at::Tensor output = Guide(
            conditioning, {answers.end() - static_cast<int64_t>(guided), answers.end()}, timestep, memory);
        const at::Tensor expected = outputs[call][row];
        result.Compare("output " + std::to_string(call), AsRecorded(output, expected), expected,
                       kSampledTolerance);
        ++call;
        return output;
      },
      [&] {
        // Recorded before a known part was put back.
        const at::Tensor expected = latents[call - 1][row];
        result.Compare("latent " + std::to_string(call), AsRecorded(state.x, expected), expected,
                       kSampledTolerance);
        KeepKnown(start, *sampler, state);
      });
  result.ExpectEqual("evaluations", {call}, {outputs.size(0)});
  result.Compare("image", pipeline.Decode(state.x), run.record.Get("image")[row], kSampledTolerance);
}

}  // namespace

void CheckFlowRun(const FlowRun& run, Report::Case& result) {
  const c10::InferenceMode inference;
  const int64_t rows = run.record.Get("image").size(0);
  for (int64_t row = 0; row < rows; ++row) CheckFlowRow(run, row, result);
}

at::Tensor AsRecorded(const at::Tensor& latents, const at::Tensor& recorded) {
  if (recorded.dim() == latents.dim()) return latents;
  const int64_t patch = recorded.size(-1) == latents.size(0) ? 1 : 2;
  return TokensOf(latents.unsqueeze(0), patch, TokenOrder::kByChannel).squeeze(0);
}

}  // namespace mind::diffusion
