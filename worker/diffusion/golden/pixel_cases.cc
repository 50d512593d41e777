#include "worker/diffusion/golden/pixel_cases.h"

#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr double kTolerance = 1e-4;       // golden README: e2e latents and image
constexpr double kGlideTolerance = 1e-3;  // likewise: GLIDE

std::unique_ptr<const Pipeline> ModelOf(const nlohmann::json& item, const GoldenOptions& options) {
  return LoadPipeline((options.directory / item.at("model").get<std::string>()).string(),
                      options.parameters());
}

std::vector<at::Tensor> Draws(const SafeTensors& record) {
  std::vector<at::Tensor> draws;
  for (size_t k = 0;; ++k) {
    char name[16];
    std::snprintf(name, sizeof name, "noise.%03zu", k);
    if (!record.Has(name)) return draws;
    draws.push_back(record.Get(name));
  }
}

// One stage of GLIDE from its first x to its last, all rows of the record one by one.
void CheckStage(const Pipeline& stage, const Sampler& sampler, const PictureRequest& request,
                const Source& source, const at::Tensor& noise, std::unique_ptr<RecordedNoise> steps,
                const at::Tensor& after_first, const at::Tensor& expected, Report::Case& result) {
  OrderedNoise first(noise.unsqueeze(0));
  const Start start = stage.Begin(source, request, noise.sizes(), first);
  Conditioning conditioning = stage.Condition(request);
  for (ConditionRow& row : conditioning.rows) row.channels = start.channels;
  SampleState state = Beginning(start, 1, sampler);
  RecordedNoise& recorded = *steps;
  state.noise = std::move(steps);
  Evaluator evaluator;
  for (; state.step < sampler.steps(); ++state.step) {
    recorded.set_step(state.step);
    Task step = sampler.Step(state, evaluator);
    for (step.Resume(); !step.done(); step.Resume()) {
      evaluator.Answer(
          EvaluateAlone(stage.denoiser(), conditioning, evaluator.input(), evaluator.timestep()));
    }
    if (state.step == 0)
      result.Compare(stage.next() != nullptr ? "base, first step" : "upsampled, first step", state.x,
                     after_first, kGlideTolerance);
  }
  result.Compare(stage.next() != nullptr ? "base" : "upsampled", state.x, expected, kGlideTolerance);
}

std::unique_ptr<const Sampler> StageSampler(const nlohmann::json& item, const GoldenOptions& options,
                                            const std::string& stage) {
  const std::filesystem::path model = options.directory / item.at("model").get<std::string>();
  const SamplerConfig config = GlideSampler(Config::FromFile((model / stage / "config.json").string()),
                                            item.at(stage + "_timestep_respacing").get<std::string>());
  return MakeSampler(DefaultSamplerName(config), config,
                     static_cast<int64_t>(config.custom_timesteps.size()));
}

}  // namespace

bool CheckChain(const nlohmann::json& item, const SafeTensors& record, const GoldenOptions& options,
                Report::Case& result) {
  const std::string kind = item.at("pipeline");
  const bool report = kind.rfind("abarankab/DDPM", 0) == 0;
  if (!report && kind != "ScoreSdeVePipeline") return false;
  const std::unique_ptr<const Pipeline> pipeline = ModelOf(item, options);
  const SamplerConfig& config = pipeline->sampler_config();
  const auto sampler = MakeSampler(DefaultSamplerName(config), config,
                                   item.at(report ? "num_timesteps" : "num_inference_steps").get<int64_t>());
  const at::Tensor steps = record.Get(report ? "steps" : "latents_per_step");
  const int64_t recorded_per_step = steps.size(0) / sampler->steps();
  std::vector<at::Tensor> draws = Draws(record);
  // All pictures of the record are one trajectory: the reference's corrector mixes the norms of a batch.
  SampleState state;
  state.x = draws.front().to(options.device) * sampler->initial_scale();
  draws.erase(draws.begin());
  state.noise = std::make_unique<OrderedNoise>(draws);
  const at::Tensor label = record.Has("in.y") ? record.Get("in.y").to(options.device) : at::Tensor();
  Evaluator evaluator;
  for (; state.step < sampler->steps(); ++state.step) {
    Task step = sampler->Step(state, evaluator);
    for (step.Resume(); !step.done(); step.Resume()) {
      const at::Tensor x = evaluator.input();
      evaluator.Answer(
          pipeline->denoiser()({.sample = x,
                                .timestep = at::full({x.size(0)}, evaluator.timestep(), x.options()),
                                .context = {},
                                .label = label}));
    }
    // Score-SDE ends with the mean, of which only the picture is recorded.
    if (!report && state.step + 1 == sampler->steps()) continue;
    result.Compare("x " + std::to_string(state.step), state.x,
                   steps[(state.step + 1) * recorded_per_step - 1], kTolerance);
  }
  result.Compare("image", pipeline->Decode(state.x), record.Get("image"), kTolerance);
  return true;
}

bool CheckGlide(const nlohmann::json& item, const SafeTensors& record, const GoldenOptions& options,
                Report::Case& result) {
  if (item.at("name") != "glide_two_stage") return false;
  const std::unique_ptr<const Pipeline> base = ModelOf(item, options);
  const Pipeline& upsampler = *base->next();
  const auto base_sampler = StageSampler(item, options, "base");
  const auto upsampler_sampler = StageSampler(item, options, "upsampler");
  PictureRequest request;
  request.prompt = item.at("prompt");
  request.guidance = item.at("guidance_scale");
  const at::Tensor step_noise = record.Get("base_step_noise"), samples = record.Get("base_samples");
  for (int64_t row = 0; row < samples.size(0); ++row) {
    auto draws = std::make_unique<RecordedNoise>();
    for (int64_t k = 0; k < step_noise.size(0); ++k) draws->Record(k, step_noise[k][row]);
    CheckStage(*base, *base_sampler, request, Source(), record.Get("noise_base")[row], std::move(draws),
               record.Get("base_steps")[0][row], samples[row], result);
    Source source;
    source.picture = (record.Get("low_res")[row].to(options.device) + 1) / 2;
    CheckStage(upsampler, *upsampler_sampler, request, source, record.Get("noise_up")[row],
               std::make_unique<RecordedNoise>(), record.Get("up_step_first")[row],
               record.Get("up_samples")[row], result);
  }
  return true;
}

}  // namespace mind::diffusion
