#include "worker/diffusion/pipelines/pixel_diffusion.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {

ModelInfo PixelDiffusionPipeline::Describe(const ModelDirectory& directory) {
  const Config config = directory.ComponentConfig("unet");
  const UNetConfig unet = UNetConfig::From(config);
  const SamplerConfig sampler = directory.ReadSamplerConfig();
  if (unet.in_channels != 3) config.Unsupported("in_channels", "3 (RGB)");
  if (unet.conditioned_on_text())
    config.Unsupported("cross_attention_dim", "none: this pipeline has no prompt");
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.size_multiple = int64_t{1} << (unet.levels.size() - 1);
  info.default_width = info.default_height = unet.sample_size;
  info.max_width = info.max_height = 4 * unet.sample_size;
  info.train_steps = sampler.train_steps;
  info.default_sampler = DefaultSamplerName(sampler);
  // The chain the model was trained as takes all its steps; the fast samplers need few.
  info.default_steps = info.default_sampler == "ddpm" ? sampler.train_steps : 50;
  info.default_guidance = 1;
  info.samplers = SamplersFor(sampler);
  return info;
}

std::unique_ptr<const Pipeline> PixelDiffusionPipeline::Load(const ModelDirectory& directory,
                                                             FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<PixelDiffusionPipeline> pipeline(new PixelDiffusionPipeline);
  pipeline->info_ = Describe(directory);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = directory.ReadSamplerConfig();
  FileParameters unet = directory.ComponentWeights("unet", options);
  pipeline->unet_ = std::make_unique<UNet>(Scope(unet), UNetConfig::From(directory.ComponentConfig("unet")));
  unet.ExpectAllTaken();
  return pipeline;
}

std::vector<int64_t> PixelDiffusionPipeline::LatentShape(int64_t width, int64_t height) const {
  return {3, height, width};
}

Conditioning PixelDiffusionPipeline::Condition(const PictureRequest& request) const {
  if (!request.prompt.empty()) throw RequestError("this model takes no prompt");
  if (request.guidance != 1) throw RequestError("this model has no prompt to guide by: guidance must be 1");
  Conditioning conditioning;
  conditioning.rows.emplace_back();
  return conditioning;
}

at::Tensor PixelDiffusionPipeline::Encode(const at::Tensor& picture, NoiseSource&) const {
  return picture * 2 - 1;
}

}  // namespace mind::diffusion
