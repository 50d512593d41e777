#include "worker/diffusion/pipelines/text_to_image.h"

#include <nlohmann/json.hpp>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {

ModelInfo TextToImagePipeline::Describe(const ModelDirectory& directory) {
  const UNetConfig unet = UNetConfig::From(directory.ComponentConfig("unet"));
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  // Made for inpainting: it sees the mask and the masked picture's latents beside its own.
  const bool sees_mask = unet.in_channels == 2 * vae.latent_channels + 1;
  const bool sees_depth = unet.in_channels == vae.latent_channels + 1;
  if (unet.in_channels != vae.latent_channels && !sees_mask && !sees_depth) {
    throw ModelError(directory.path() + ": the UNet takes " + std::to_string(unet.in_channels) +
                     " channels but the autoencoder's latents have " + std::to_string(vae.latent_channels));
  }
  ModelInfo info = DescribeLatents(directory, unet.sample_size);
  DescribeText(directory, info);
  info.needs_mask = sees_mask;
  info.needs_depth = sees_depth;
  return info;
}

void TextToImagePipeline::DescribeText(const ModelDirectory& directory, ModelInfo& info) {
  info.takes_prompt = true;
  info.takes_negative_prompt = true;
  info.languages = LanguagesOf(directory.ComponentPath("tokenizer"));
  info.max_clip_skip = MaxSkip(directory.ComponentConfig("text_encoder"));
  for (const auto& [name, path] : directory.Loras()) info.loras.push_back(name);
}

std::unique_ptr<const Pipeline> TextToImagePipeline::Load(const ModelDirectory& directory,
                                                          FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<TextToImagePipeline> pipeline(new TextToImagePipeline);
  pipeline->LoadParts(directory, Describe(directory), options);
  return pipeline;
}

void TextToImagePipeline::LoadParts(const ModelDirectory& directory, ModelInfo info,
                                    FileParameters::Options options) {
  info_ = std::move(info);
  info_.revision = directory.Revision(options.dtype);
  device_ = options.device;
  sampler_config_ = directory.ReadSamplerConfig();
  tokenizer_ = MakeTokenizer(directory.ComponentPath("tokenizer"));

  FileParameters text = directory.ComponentWeights("text_encoder", options);
  text_encoder_ = MakeTextEncoder(Scope(text), directory.ComponentConfig("text_encoder"));
  const TextEncoder& encoder = *text_encoder_;
  text.ExpectAllTaken();
  ExpectSameVocabulary(*tokenizer_, encoder, directory.path());
  if (tokenizer_->model_length() > static_cast<size_t>(encoder.positions())) {
    throw ModelError(directory.path() + ": the tokenizer makes " +
                     std::to_string(tokenizer_->model_length()) + " tokens but the text encoder takes " +
                     std::to_string(encoder.positions()));
  }

  FileParameters unet = directory.ComponentWeights("unet", options);
  unet_ = std::make_unique<UNet>(Scope(unet), UNetConfig::From(directory.ComponentConfig("unet")));
  unet.ExpectAllTaken();
  if (unet_->config().context_width != encoder.width()) {
    throw ModelError(directory.path() + ": the UNet's cross_attention_dim is " +
                     std::to_string(unet_->config().context_width) +
                     " but the text encoder's hidden_size is " + std::to_string(encoder.width()));
  }

  LoadAutoencoder(directory, options);

  LayerWeights layers;
  for (const auto& [path, weight] : unet.layers()) layers["unet." + path] = weight;
  for (const auto& [path, weight] : text.layers()) layers["text_encoder." + path] = weight;
  adapters_ = std::make_unique<AdapterLibrary>(directory.Loras(), std::move(layers), options);
}

at::Tensor TextToImagePipeline::EncodePrompt(const std::string& prompt, int64_t clip_skip,
                                             const PictureRequest& request,
                                             const AdapterSet& adapters) const {
  if (clip_skip < 0 || clip_skip > text_encoder_->max_skip()) {
    throw RequestError("clip_skip must be 0 to " + std::to_string(text_encoder_->max_skip()) +
                       ", given: " + std::to_string(clip_skip));
  }
  std::string key = std::to_string(clip_skip) + ":" + prompt + "\n";
  for (const LoraUse& lora : request.loras) key += nlohmann::json({lora.name, lora.scale}).dump();
  return prompts_.Get(key, [&] {
    const AdapterScope scope({adapters});
    const std::vector<int64_t> ids = tokenizer_->EncodePadded(prompt, tokenizer_->model_length());
    return text_encoder_->Encode(at::tensor(ids, at::kLong).unsqueeze(0).to(device_), clip_skip).squeeze(0);
  });
}

Conditioning TextToImagePipeline::Condition(const PictureRequest& request) const {
  Conditioning conditioning;
  conditioning.guidance = request.guidance;
  conditioning.guidance_rescale = request.guidance_rescale;
  conditioning.adapters = adapters_->Get(request.loras);
  const AdapterSet& adapters = conditioning.adapters;
  if (request.guidance != 1) {
    // The reference skips no layers for the negative prompt.
    conditioning.rows.push_back({.context = EncodePrompt(request.negative_prompt, 0, request, adapters)});
  }
  conditioning.rows.push_back(
      {.context = EncodePrompt(request.prompt, request.clip_skip, request, adapters)});
  return conditioning;
}

}  // namespace mind::diffusion
