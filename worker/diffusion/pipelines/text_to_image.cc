#include "worker/diffusion/pipelines/text_to_image.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/perturbation.h"
#include "worker/diffusion/models/transformer_paths.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

// "down_blocks.1, mid_block", of layers in them.
std::string LevelsOf(const std::vector<std::string>& paths) {
  std::string levels, last;
  for (const std::string& path : paths) {
    const std::string level = path.substr(0, path.find(".attentions"));
    if (level != last) levels += (levels.empty() ? "" : ", ") + level;
    last = level;
  }
  return levels;
}

}  // namespace

ModelInfo TextToImagePipeline::DescribeUNet(const ModelDirectory& directory, bool told_picture) {
  const Config config = directory.ComponentConfig("unet");
  const UNetConfig unet = UNetConfig::From(config);
  if (told_picture ? !unet.image_projected : unet.image_width > 0 || unet.level_class)
    config.Unsupported("class_embed_type", told_picture ? "\"projection\"" : "null");
  if (unet.picture_context > 0) config.Unsupported("encoder_hid_dim_type", "null");
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  // Made for inpainting: it sees the mask and the masked picture's latents beside its own.
  const bool sees_mask = unet.in_channels == 2 * vae.latent_channels + 1;
  const bool sees_depth = unet.in_channels == vae.latent_channels + 1;
  // Made for editing: it sees the latents of the picture.
  const bool edits = unet.in_channels == 2 * vae.latent_channels;
  if (unet.in_channels != vae.latent_channels && !sees_mask && !sees_depth && !edits) {
    throw ModelError(directory.path() + ": the UNet takes " + std::to_string(unet.in_channels) +
                     " channels but the autoencoder's latents have " + std::to_string(vae.latent_channels));
  }
  ModelInfo info = DescribeLatents(directory, unet.sample_size);
  info.takes_tiling = true;
  info.takes_perturbed = !SelfAttentions(unet).empty();
  info.needs_mask = sees_mask;
  info.needs_depth = sees_depth;
  info.edits = info.takes_picture_guidance = edits;
  ControlLibrary::Check(directory, unet, vae.latent_channels, vae.reduction());
  for (const auto& [name, folder] : directory.Controls()) {
    info.controls.push_back(name);
    info.control_kinds.push_back(ControlLibrary::KindsOf(folder));
  }
  for (const auto& [name, file] : directory.PictureAdapters()) info.picture_adapters.push_back(name);
  return info;
}

ModelInfo TextToImagePipeline::Describe(const ModelDirectory& directory) {
  ModelInfo info = DescribeUNet(directory);
  info.takes_hires = TakesHires(info);
  DescribeText(directory, {}, info);
  return info;
}

void TextToImagePipeline::DescribeText(const ModelDirectory& directory, const PromptEncoder::Part& encoder,
                                       ModelInfo& info) {
  info.takes_prompt = true;
  info.takes_negative_prompt = true;
  info.takes_guidance = true;
  info.languages = directory.PromptLanguages(encoder.tokenizer);
  info.max_clip_skip = MaxSkip(directory.ComponentConfig(encoder.encoder)) - encoder.skipped;
  info.loras = directory.LoraNames();
  for (const auto& [word, path] : directory.LearntWordFiles()) info.learnt_words.push_back(word);
}

std::unique_ptr<const Pipeline> TextToImagePipeline::Load(const ModelDirectory& directory,
                                                          FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<TextToImagePipeline> pipeline(new TextToImagePipeline);
  pipeline->LoadParts(directory, Describe(directory), {{}}, options);
  return pipeline;
}

void TextToImagePipeline::LoadParts(const ModelDirectory& directory, ModelInfo info,
                                    const std::vector<PromptEncoder::Part>& encoders,
                                    FileParameters::Options options) {
  info_ = std::move(info);
  info_.revision = directory.Revision(options.precision);
  device_ = options.device;
  sampler_config_ = directory.ReadSamplerConfig();
  LayerWeights layers;
  int64_t width = 0;
  for (const PromptEncoder::Part& part : encoders) {
    encoders_.push_back(std::make_unique<PromptEncoder>(directory, part, options, layers));
    width += encoders_.back()->width();
  }

  FileParameters unet = directory.ComponentWeights("unet", options);
  unet_ = std::make_unique<UNet>(Scope(unet), UNetConfig::From(directory.ComponentConfig("unet")));
  unet.ExpectAllTaken();
  const UNetConfig& config = unet_->config();
  if (config.text_width() != width) {
    throw ModelError(directory.path() + ": the UNet's " +
                     (config.encoded_width > 0 ? "encoder_hid_dim" : "cross_attention_dim") + " is " +
                     std::to_string(config.text_width()) + " but the text encoders' hidden_size is " +
                     std::to_string(width));
  }

  LoadAutoencoder(directory, options);
  const AutoencoderConfig& vae = autoencoder_->config();
  controls_ = std::make_unique<ControlLibrary>(directory, unet_->config(), vae.latent_channels,
                                               vae.reduction(), options);
  picture_prompts_ = std::make_unique<PicturePromptLibrary>(directory, unet_->config(), options);
  // CosXL's; reference: diffusers StableDiffusionXLInstructPix2PixPipeline.
  edits_scaled_ = directory.Index().Bool("is_cosxl_edit", false);

  AddLayersOf("unet", unet, layers);
  adapters_ = std::make_unique<AdapterLibrary>(directory.LoraFolder(), std::move(layers), options);
}

Conditioning TextToImagePipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  Conditioning conditioning;
  conditioning.guidance = request.Guided();
  conditioning.adapters = AdaptersFor(request);
  const PromptEncoder& encoder = *encoders_.front();
  const PromptEncoder::Wish wish{request.reading, request.clip_skip, conditioning.adapters};
  EncodedPrompt prompt = encoder.Encode(request.prompt, wish);
  conditioning.tokens_cut = prompt.tokens_cut;
  if (request.guidance != 1) {
    PromptEncoder::Wish plain = wish;
    plain.clip_skip = 0;  // the reference skips no layers for the negative prompt
    EncodedPrompt negative = encoder.Encode(request.negative_prompt.value_or(""), plain);
    conditioning.tokens_cut += negative.tokens_cut;
    if (request.reading.padded) {
      const int64_t length = std::max(prompt.states.size(0), negative.states.size(0));
      prompt.states = encoder.Padded(prompt.states, length, wish);
      negative.states = encoder.Padded(negative.states, length, plain);
    }
    conditioning.rows.push_back({{Condition::kText, negative.states}});
  }
  conditioning.rows.push_back({{Condition::kText, prompt.states}});
  PictureScorer::Ask(scorer_.get(), request, shape, conditioning);
  return conditioning;
}

Start TextToImagePipeline::Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
                                 NoiseSource& noise) const {
  if (!info_.edits) return Pipeline::Begin(source, request, shape, noise);
  if (!source.defined()) throw RequestError("this model changes pictures: it needs a source picture");
  if (source.mask.defined() || source.depth.defined())
    throw RequestError("this model takes neither a mask nor a depth map");
  Start start;
  start.channels = LatentsOf(source.picture).mean;
  if (edits_scaled_) start.channels = start.channels * autoencoder_->config().scaling_factor;
  start.noise = noise.Draw(shape).to(device_);
  return start;
}

void TextToImagePipeline::Tell(const Source& source, const Start& start, const PictureRequest& request,
                               Conditioning& conditioning) const {
  Pipeline::Tell(source, start, request, conditioning);
  controls_->Tell(source.controls, conditioning);
  picture_prompts_->Tell(source.prompts, conditioning);
  if (info_.edits) TellPicture(start, request, conditioning);
  if (request.perturbed.scale > 0) Perturb(request.perturbed, conditioning);
}

void TextToImagePipeline::TellPicture(const Start& start, const PictureRequest& request,
                                      Conditioning& conditioning) {
  // Guided towards both prompt and picture, or towards neither.
  std::vector<Told>& rows = conditioning.rows;
  if (!(request.guidance > 1 && request.picture_guidance >= 1)) {
    rows = {rows.back()};
    return;
  }
  Told neither = rows.front();
  neither.Set(Condition::kChannels, at::zeros_like(start.channels));
  rows.insert(rows.begin(), neither);
  conditioning.picture_guidance = request.picture_guidance;
}

void TextToImagePipeline::Perturb(const PerturbedGuidance& guidance, Conditioning& conditioning) const {
  const std::vector<std::string> paths = SelfAttentions(unet_config());
  for (const std::string& layer : guidance.layers) {
    const Perturbation one{{layer}};
    if (std::none_of(paths.begin(), paths.end(), [&](const std::string& path) { return one.Has(path); }))
      throw RequestError("this model has no self-attention in the layer \"" + layer +
                         "\"; it has some in: " + LevelsOf(paths));
  }
  conditioning.perturbed_guidance = guidance.scale;
  conditioning.perturbed_fall = guidance.fall;
  conditioning.perturbed_steps = guidance.steps;
  conditioning.rows.push_back(conditioning.rows.back());
  conditioning.rows.back().Perturb(std::make_shared<const Perturbation>(Perturbation{guidance.layers}));
}

}  // namespace mind::diffusion
