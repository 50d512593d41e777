#include "worker/diffusion/pipelines/text_to_image.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {

ModelInfo TextToImagePipeline::Describe(const ModelDirectory& directory) {
  const UNetConfig unet = UNetConfig::From(directory.ComponentConfig("unet"));
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  const SamplerConfig sampler = directory.ReadSamplerConfig();
  // Made for inpainting: it sees the mask and the masked picture's latents beside its own.
  const bool sees_mask = unet.in_channels == 2 * vae.latent_channels + 1;
  const bool sees_depth = unet.in_channels == vae.latent_channels + 1;
  if (unet.in_channels != vae.latent_channels && !sees_mask && !sees_depth) {
    throw ModelError(directory.path() + ": the UNet takes " + std::to_string(unet.in_channels) +
                     " channels but the autoencoder's latents have " + std::to_string(vae.latent_channels));
  }
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.takes_prompt = true;
  info.takes_negative_prompt = true;
  info.needs_mask = sees_mask;
  info.needs_depth = sees_depth;
  info.max_clip_skip = MaxSkip(directory.ComponentConfig("text_encoder"));
  // diffusers asks for 8 whatever the autoencoder; with a smaller reduction 8 is still a multiple of it.
  info.size_multiple = std::max<int64_t>(8, vae.reduction());
  info.default_width = info.default_height = unet.sample_size * vae.reduction();
  info.max_width = info.max_height = std::max<int64_t>(4 * info.default_width, info.size_multiple);
  info.train_steps = sampler.train_steps;
  info.default_sampler = DefaultSamplerName(sampler);
  info.samplers = SamplersFor(sampler);
  return info;
}

std::unique_ptr<const Pipeline> TextToImagePipeline::Load(const ModelDirectory& directory,
                                                          FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<TextToImagePipeline> pipeline(new TextToImagePipeline);
  pipeline->info_ = Describe(directory);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = directory.ReadSamplerConfig();
  pipeline->tokenizer_ = MakeTokenizer(directory.ComponentPath("tokenizer"));

  FileParameters text = directory.ComponentWeights("text_encoder", options);
  pipeline->text_encoder_ = MakeTextEncoder(Scope(text), directory.ComponentConfig("text_encoder"));
  const TextEncoder& encoder = *pipeline->text_encoder_;
  text.ExpectAllTaken();
  if (pipeline->tokenizer_->model_length() > static_cast<size_t>(encoder.positions())) {
    throw ModelError(directory.path() + ": the tokenizer makes " +
                     std::to_string(pipeline->tokenizer_->model_length()) +
                     " tokens but the text encoder takes " + std::to_string(encoder.positions()));
  }

  FileParameters unet = directory.ComponentWeights("unet", options);
  pipeline->unet_ = std::make_unique<UNet>(Scope(unet), UNetConfig::From(directory.ComponentConfig("unet")));
  unet.ExpectAllTaken();
  if (pipeline->unet_->config().context_width != encoder.width()) {
    throw ModelError(directory.path() + ": the UNet's cross_attention_dim is " +
                     std::to_string(pipeline->unet_->config().context_width) +
                     " but the text encoder's hidden_size is " + std::to_string(encoder.width()));
  }

  FileParameters vae = directory.ComponentWeights("vae", options);
  pipeline->autoencoder_ =
      std::make_unique<AutoencoderKl>(Scope(vae), AutoencoderConfig::From(directory.ComponentConfig("vae")));
  vae.ExpectAllTaken();
  pipeline->preview_ =
      std::make_unique<LatentPreview>(LatentPreview::Fit(*pipeline->autoencoder_, options.device));
  return pipeline;
}

std::vector<int64_t> TextToImagePipeline::LatentShape(int64_t width, int64_t height) const {
  const AutoencoderConfig& vae = autoencoder_->config();
  return {vae.latent_channels, height / vae.reduction(), width / vae.reduction()};
}

at::Tensor TextToImagePipeline::EncodePrompt(const std::string& prompt, int64_t clip_skip) const {
  if (clip_skip < 0 || clip_skip > text_encoder_->max_skip()) {
    throw RequestError("clip_skip must be 0 to " + std::to_string(text_encoder_->max_skip()) +
                       ", given: " + std::to_string(clip_skip));
  }
  return prompts_.Get(std::to_string(clip_skip) + ":" + prompt, [&] {
    const std::vector<int64_t> ids = tokenizer_->EncodePadded(prompt, tokenizer_->model_length());
    return text_encoder_->Encode(at::tensor(ids, at::kLong).unsqueeze(0).to(device_), clip_skip).squeeze(0);
  });
}

Conditioning TextToImagePipeline::Condition(const PictureRequest& request) const {
  Conditioning conditioning;
  conditioning.guidance = request.guidance;
  conditioning.guidance_rescale = request.guidance_rescale;
  if (request.guidance != 1) {
    // The reference skips no layers for the negative prompt.
    conditioning.rows.push_back({EncodePrompt(request.negative_prompt, 0), {}});
  }
  conditioning.rows.push_back({EncodePrompt(request.prompt, request.clip_skip), {}});
  return conditioning;
}

at::Tensor TextToImagePipeline::Decode(const at::Tensor& latent) const {
  const at::Tensor unscaled = latent.unsqueeze(0) / autoencoder_->config().scaling_factor;
  return (autoencoder_->Decode(unscaled).squeeze(0) / 2 + 0.5).clamp(0, 1);
}

at::Tensor TextToImagePipeline::Encode(const at::Tensor& picture, NoiseSource& noise) const {
  const at::Tensor moments = autoencoder_->EncodeMoments(picture.unsqueeze(0) * 2 - 1).squeeze(0);
  const auto halves = moments.chunk(2, 0);
  // Kept within what exponentiates (diffusers DiagonalGaussianDistribution).
  const at::Tensor deviation = at::exp(halves[1].clamp(-30, 20) / 2);
  return (halves[0] + deviation * noise.DrawLike(halves[0])) * autoencoder_->config().scaling_factor;
}

}  // namespace mind::diffusion
