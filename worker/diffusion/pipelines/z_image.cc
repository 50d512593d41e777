#include "worker/diffusion/pipelines/z_image.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/names/z_image_names.h"

namespace mind::diffusion {
namespace {

constexpr char kZDenoiser[] = "transformer", kZTextEncoder[] = "text_encoder";
constexpr int64_t kZSamples = 128;  // latents each way that it was trained at
// Z-Image's, by its authors; Turbo, whose files do not tell it apart, is served with a mind.json.
constexpr int64_t kZSteps = 50;
constexpr double kZGuidance = 5;

// How long a guided answer may be, as its mind.json says; 0: as long as it gets.
double ZLongest(const ModelDirectory& directory) {
  const Config settings = directory.Defaults();
  const double longest = settings.Double("cfg_normalization", 0);
  if (!(longest >= 0 && longest <= 100)) settings.Unsupported("cfg_normalization", "0 to 100");
  return longest;
}

// Checked against the autoencoder and the text encoder beside it.
ZImageTransformerConfig ZTransformerOf(const ModelDirectory& directory) {
  const Config file = directory.ComponentConfig(kZDenoiser);
  const ZImageTransformerConfig config = ZImageTransformerConfig::From(file);
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  if (config.in_channels != vae.latent_channels)
    file.Unsupported("in_channels",
                     "the autoencoder's latent_channels, " + std::to_string(vae.latent_channels));
  const Config text_file = directory.ComponentConfig(kZTextEncoder);
  const QwenTextConfig text = QwenTextConfig::From(text_file);
  if (text.layers < 2) text_file.Unsupported("num_hidden_layers", "2 and more");
  if (config.text_width != text.width)
    file.Unsupported("cap_feat_dim", "the text encoder's hidden_size, " + std::to_string(text.width));
  return config;
}

}  // namespace

ModelInfo ZImagePipeline::Describe(const ModelDirectory& directory) {
  const ZImageTransformerConfig transformer = ZTransformerOf(directory);
  if (!directory.LearntWordFiles().empty())
    throw UnsupportedError(directory.path() + ": a " + directory.pipeline_class() + " takes no learnt words");
  // Throw where they are not possible.
  ZImageText::TokensOf(directory);
  ZLongest(directory);
  ModelInfo info = DescribeLatents(directory, kZSamples);
  info.size_multiple = transformer.patch * (info.default_width / kZSamples);
  info.takes_prompt = info.takes_negative_prompt = info.takes_guidance = true;
  info.takes_hires = true;
  info.languages = directory.PromptLanguages("tokenizer");
  info.default_steps = std::min(kZSteps, info.train_steps);
  info.default_guidance = kZGuidance;
  info.loras = directory.LoraNames();
  return info;
}

std::unique_ptr<const Pipeline> ZImagePipeline::Load(const ModelDirectory& directory,
                                                     FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<ZImagePipeline> pipeline(new ZImagePipeline);
  pipeline->info_ = Describe(directory);
  pipeline->info_.revision = directory.Revision(options.precision);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = directory.ReadSamplerConfig();
  pipeline->sampler_config_.flow.SpaceBySteps();
  pipeline->longest_ = ZLongest(directory);
  pipeline->text_ = std::make_unique<ZImageText>(directory, options);
  FileParameters weights(FromOriginalZImage(directory.ComponentTensors(kZDenoiser)), options);
  pipeline->transformer_ = std::make_unique<ZImageTransformer>(Scope(weights), ZTransformerOf(directory));
  weights.ExpectAllTaken();
  LayerWeights layers;
  AddLayersOf(kZDenoiser, weights, layers);
  pipeline->adapters_ =
      std::make_unique<const AdapterLibrary>(directory.LoraFolder(), std::move(layers), options);
  pipeline->LoadAutoencoder(directory, options);
  return pipeline;
}

Conditioning ZImagePipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  Conditioning conditioning;
  conditioning.adapters = adapters_->Get(request.loras);
  const auto row = [&](const std::string& prompt) {
    conditioning.rows.push_back({{Condition::kText, text_->Encode(prompt, conditioning.tokens_cut)}});
  };
  if (request.guidance > 1) {  // Turbo is asked for with less, and means none by it
    conditioning.guidance = request.Guided();
    conditioning.longest = longest_;
    row(request.negative_prompt.value_or(""));
  }
  row(request.prompt);
  PictureScorer::Ask(scorer_.get(), request, shape, conditioning);
  return conditioning;
}

}  // namespace mind::diffusion
