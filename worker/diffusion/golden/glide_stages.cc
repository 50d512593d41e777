// e2e: GLIDE's two stages.
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/pixel_cases.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"
#include "worker/diffusion/text/glide_bpe.h"

namespace mind::diffusion {
namespace {

// golden README: with coefficients in float64 base pictures agree to 2e-4; the upsampler, fed with the
// recorded picture, to 1e-3.
constexpr double kBaseTolerance = 2e-4, kUpsamplerTolerance = 1e-3;

// One row of one stage.
struct GlideStage {
  const Pipeline& pipeline;
  const Sampler& sampler;
  const PictureRequest& request;
  Source source;
  at::Tensor noise;                      // the first
  std::unique_ptr<RecordedNoise> draws;  // of its steps
  double tolerance;
};

// From its first x to its last, which is returned. `after`: x after each of its first steps.
at::Tensor CheckStage(GlideStage stage, const std::string& name, const std::vector<at::Tensor>& after,
                      Report::Case& result) {
  OrderedNoise first(stage.noise.unsqueeze(0));
  const Start start = stage.pipeline.Begin(stage.source, stage.request, stage.noise.sizes(), first);
  first.ExpectAllUsed();
  Conditioning conditioning = stage.pipeline.Condition(stage.request, stage.noise.sizes());
  for (Told& row : conditioning.rows) row.Set(Condition::kChannels, start.channels);
  SampleState state = Beginning(start, 1, stage.sampler);
  RecordedNoise& recorded = *stage.draws;
  state.noise = std::move(stage.draws);
  const int64_t evaluations = RunToEnd(
      stage.sampler, state,
      [&](const at::Tensor& x, double timestep) {
        return EvaluateAlone(stage.pipeline.denoiser(), conditioning, x, timestep);
      },
      [&] {
        const auto step = static_cast<size_t>(state.step);
        if (step <= after.size())
          result.Compare(name + ", step " + std::to_string(step), state.x, after[step - 1], stage.tolerance);
        recorded.set_call(state.step);
      });
  result.ExpectEqual(name + ", evaluations", {evaluations}, {stage.sampler.steps()});
  recorded.ExpectAllUsed(stage.sampler.steps(), Idle::kLast);  // p_sample masks its last out
  return state.x;
}

std::unique_ptr<const Sampler> StageSampler(const PixelCase& c, const std::string& stage,
                                            Report::Case& result) {
  const SamplerConfig config = GlideSampler(Config::FromFile((c.model / stage / "config.json").string()),
                                            c.item.at(stage + "_timestep_respacing").get<std::string>());
  // Noisiest first, where the reference's map rises.
  const auto map = c.item.at(stage + "_timestep_map").get<std::vector<int64_t>>();
  result.ExpectEqual(stage + " timesteps", config.custom_timesteps, {map.rbegin(), map.rend()});
  return MakeSampler(DefaultSamplerName(config), config,
                     static_cast<int64_t>(config.custom_timesteps.size()));
}

// The prompt for all pictures, then nothing for as many.
void CheckTokens(const PixelCase& c, Report::Case& result) {
  const at::Tensor tokens = c.record.Get("tokens"), mask = c.record.Get("mask").to(at::kLong);
  const auto length = static_cast<size_t>(tokens.size(1));
  const auto tokenizer = GlideBpeTokenizer::FromDirectory((c.model / "tokenizer").string(), length);
  const std::string prompt = c.item.at("prompt");
  for (int64_t row = 0; row < tokens.size(0); ++row) {
    const std::string text = row < tokens.size(0) / 2 ? prompt : "";
    const std::vector<int64_t> ids = tokenizer->EncodePadded(text, length);
    const at::Tensor theirs = tokens[row].contiguous();
    result.ExpectEqual("tokens", ids, {theirs.data_ptr<int64_t>(), theirs.data_ptr<int64_t>() + length});
    const auto words = static_cast<int64_t>(std::min(tokenizer->Encode(text).size(), length));
    result.ExpectEqual("length of the mask", {words}, {mask[row].sum().item<int64_t>()});
  }
}

}  // namespace

void CheckGlideStages(const PixelCase& c, Report::Case& result) {
  const Pipeline& base = c.pipeline;
  if (base.next() == nullptr) throw Error("the model has no upsampler");
  const Pipeline& upsampler = *base.next();
  const auto base_sampler = StageSampler(c, "base", result);
  const auto upsampler_sampler = StageSampler(c, "upsampler", result);
  CheckTokens(c, result);
  PictureRequest request;
  request.prompt = c.item.at("prompt");
  request.guidance = c.item.at("guidance_scale");
  const auto get = [&](const char* name) { return c.record.Get(name); };
  const at::Tensor step_noise = get("base_step_noise"), steps = get("base_steps"),
                   samples = get("base_samples");
  for (int64_t row = 0; row < samples.size(0); ++row) {
    auto draws = std::make_unique<RecordedNoise>();
    for (int64_t k = 0; k < step_noise.size(0); ++k) draws->Record(k, step_noise[k][row]);
    const at::Tensor small = CheckStage(
        {base, *base_sampler, request, {}, get("noise_base")[row], std::move(draws), kBaseTolerance}, "base",
        steps.select(1, row).unbind(), result);
    result.Compare("base", small, samples[row], kBaseTolerance);

    // As bytes, one level of 255 either way.
    const at::Tensor low_res = get("low_res")[row].to(base.device());
    const at::Tensor bytes = ToFloats(ToBytes(base.Decode(samples[row].to(base.device()))), base.device());
    result.Compare("base as bytes", bytes * 255, (low_res + 1) / 2 * 255, 1.01 / 255);

    Source source;
    source.picture = (low_res + 1) / 2;
    // The pipeline takes off some of the noise as the notebook does; the case may ask for less or more.
    const double cooler = c.item.at("upsample_temp").get<double>() / kGlideUpsampleTemperature;
    const at::Tensor large =
        CheckStage({upsampler, *upsampler_sampler, request, source, get("noise_up")[row] * cooler,
                    std::make_unique<RecordedNoise>(), kUpsamplerTolerance},
                   "upsampled", {get("up_step_first")[row]}, result);
    result.Compare("upsampled", large, get("up_samples")[row], kUpsamplerTolerance);
  }
}

}  // namespace mind::diffusion
