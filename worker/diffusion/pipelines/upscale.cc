#include "worker/diffusion/pipelines/upscale.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kPictureChannels = 3;
constexpr int64_t kDefaultMaxNoiseLevel = 350;
constexpr double kUpscaleGuidance = 9;
constexpr int64_t kUpscaleSteps = 50;

}  // namespace

ModelInfo UpscalePipeline::Describe(const ModelDirectory& directory) {
  const Config config = directory.ComponentConfig("unet");
  const UNetConfig unet = UNetConfig::From(config);
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  if (unet.in_channels != vae.latent_channels + kPictureChannels)
    config.Unsupported("in_channels", "the latents' and 3 more");
  ModelInfo info = DescribeLatents(directory, unet.sample_size);
  DescribeText(directory, {}, info);
  // One latent stands for one pixel of the source.
  info.enlargement = vae.reduction();
  info.max_noise_level = directory.Index().Int("max_noise_level", kDefaultMaxNoiseLevel);
  if (unet.class_count <= info.max_noise_level)
    config.Unsupported("num_class_embeds", "more than max_noise_level");
  info.default_guidance = kUpscaleGuidance;
  info.default_steps = kUpscaleSteps;
  return info;
}

std::unique_ptr<const Pipeline> UpscalePipeline::Load(const ModelDirectory& directory,
                                                      FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<UpscalePipeline> pipeline(new UpscalePipeline);
  pipeline->LoadParts(directory, Describe(directory), {{}}, options);
  const SamplerConfig low_resolution =
      SamplerConfig::From(directory.ComponentConfig("low_res_scheduler", "scheduler_config.json"));
  pipeline->low_resolution_alphas_ = AlphasCumprod(low_resolution);
  if (pipeline->info_.max_noise_level >= low_resolution.train_steps) {
    throw ModelError(directory.path() + ": max_noise_level is not below low_res_scheduler's " +
                     std::to_string(low_resolution.train_steps) + " steps");
  }
  return pipeline;
}

Conditioning UpscalePipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  if (request.noise_level < 0 || request.noise_level > info_.max_noise_level) {
    throw RequestError("noise_level must be 0 to " + std::to_string(info_.max_noise_level) +
                       ", given: " + std::to_string(request.noise_level));
  }
  Conditioning conditioning = TextToImagePipeline::Condition(request, shape);
  const at::Tensor level =
      at::full({}, request.noise_level, at::TensorOptions().dtype(at::kLong).device(device_));
  for (Told& row : conditioning.rows) row.Set(Condition::kLabel, level);
  return conditioning;
}

Start UpscalePipeline::Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
                             NoiseSource& noise) const {
  if (!source.defined()) throw RequestError("this model enlarges pictures: it needs a source picture");
  if (source.mask.defined() || source.depth.defined())
    throw RequestError("this model takes neither a mask nor a depth map");
  const at::Tensor picture = source.picture * 2 - 1;
  const NoiseLevel level =
      NoiseLevel::Preserving(low_resolution_alphas_[static_cast<size_t>(request.noise_level)],
                             static_cast<double>(request.noise_level));
  Start start;
  start.channels = NoisedTo(level, picture, noise.DrawLike(picture));
  start.noise = noise.Draw(shape).to(device());
  return start;
}

}  // namespace mind::diffusion
