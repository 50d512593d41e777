#include "worker/diffusion/pipelines/qwen_image.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/tiles.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/weights/names/wan_names.h"

namespace mind::diffusion {
namespace {

constexpr char kQwenTransformer[] = "transformer", kQwenAutoencoder[] = "vae";
// As its publishers call it, and diffusers unless told otherwise.
constexpr int64_t kQwenImageSteps = 50;
constexpr double kQwenImageGuidance = 4;
constexpr int64_t kQwenTrainedLatents = 128;  // each way; 1024 pixels
constexpr int64_t kLeastQwenTile = 32;

QwenImageConfig TransformerOf(const ModelDirectory& directory) {
  return QwenImageConfig::From(directory.ComponentConfig(kQwenTransformer));
}

AutoencoderWanConfig WanOf(const ModelDirectory& directory) {
  return AutoencoderWanConfig::From(directory.ComponentConfig(kQwenAutoencoder));
}

SamplerConfig QwenImageSampling(const ModelDirectory& directory) {
  SamplerConfig config = directory.ReadSamplerConfig();
  config.flow.SpaceBySteps();
  return config;
}

}  // namespace

ModelInfo QwenImagePipeline::Describe(const ModelDirectory& directory) {
  const QwenImageConfig transformer = TransformerOf(directory);
  const AutoencoderWanConfig autoencoder = WanOf(directory);
  if (transformer.latent_channels != autoencoder.latent_channels)
    directory.ComponentConfig(kQwenTransformer)
        .Unsupported("out_channels",
                     "the autoencoder's z_dim, " + std::to_string(autoencoder.latent_channels));
  QwenImageText::ExpectWidth(directory, transformer.text_width);
  const SamplerConfig sampler = QwenImageSampling(directory);
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.takes_prompt = info.takes_negative_prompt = info.takes_guidance = true;
  info.languages = {"zh", "en"};
  info.size_multiple = autoencoder.reduction() * transformer.patch_size;
  info.default_width = info.default_height = kQwenTrainedLatents * autoencoder.reduction();
  info.max_width = info.max_height = 2 * info.default_width;
  info.train_steps = sampler.train_steps;
  info.default_steps = std::min(kQwenImageSteps, sampler.train_steps);
  info.default_guidance = kQwenImageGuidance;
  info.default_sampler = DefaultSamplerName(sampler);
  info.samplers = SamplersFor(sampler);
  info.loras = directory.LoraNames();
  return info;
}

std::unique_ptr<const Pipeline> QwenImagePipeline::Load(const ModelDirectory& directory,
                                                        FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<QwenImagePipeline> pipeline(new QwenImagePipeline);
  pipeline->LoadParts(directory, Describe(directory), options);
  pipeline->text_ = std::make_unique<const QwenImageText>(directory, options);
  return pipeline;
}

void QwenImagePipeline::LoadParts(const ModelDirectory& directory, ModelInfo info,
                                  FileParameters::Options options) {
  info_ = std::move(info);
  info_.revision = directory.Revision(options.precision);
  device_ = options.device;
  sampler_config_ = QwenImageSampling(directory);
  FileParameters transformer = directory.ComponentWeights(kQwenTransformer, options);
  transformer_ = std::make_unique<const QwenImageTransformer>(Scope(transformer), TransformerOf(directory));
  transformer.ExpectAllTaken();
  LayerWeights layers;
  AddLayersOf(kQwenTransformer, transformer, layers);
  adapters_ = std::make_unique<const AdapterLibrary>(directory.LoraFolder(), std::move(layers), options);
  FileParameters autoencoder(FromWanAutoencoder(directory.ComponentTensors(kQwenAutoencoder)), options);
  autoencoder_ = std::make_unique<const AutoencoderWan>(Scope(autoencoder), WanOf(directory));
  autoencoder.ExpectAllTaken();
  const auto decode = [&](const at::Tensor& latents) {
    return autoencoder_->Decode(autoencoder_->AsMade(latents.to(device_)));
  };
  preview_ = LatentPreview::Fit(decode, autoencoder_->config().latent_channels, device_);
}

std::vector<int64_t> QwenImagePipeline::LatentShape(int64_t width, int64_t height) const {
  const AutoencoderWanConfig& config = autoencoder_->config();
  return {config.latent_channels, height / config.reduction(), width / config.reduction()};
}

Conditioning QwenImagePipeline::Guided(const PictureRequest& request) const {
  Conditioning conditioning;
  conditioning.adapters = adapters_->Get(request.loras);
  if (request.guidance <= 1) return conditioning;  // there, the reference guides nothing
  conditioning.guidance = request.Guided();
  conditioning.kept_norms = transformer_->config().patch_size;
  return conditioning;
}

Conditioning QwenImagePipeline::Condition(const PictureRequest& request, at::IntArrayRef) const {
  Conditioning conditioning = Guided(request);
  const auto row = [&](const std::string& prompt) {
    conditioning.rows.push_back({{Condition::kText, text_->Encode(prompt, conditioning.tokens_cut)}});
  };
  if (request.guidance > 1) row(request.negative_prompt.value_or(kNothing));
  row(request.prompt);
  return conditioning;
}

int64_t QwenImagePipeline::Tile() const {
  return std::max(kLeastQwenTile, info_.default_width / autoencoder_->config().reduction() / 4 * 4);
}

at::Tensor QwenImagePipeline::Decode(const at::Tensor& latent) const {
  const auto decode = [this](const at::Tensor& latents) { return autoencoder_->Decode(latents); };
  const at::Tensor latents = autoencoder_->AsMade(latent).unsqueeze(0);
  const bool tiles = NeedsTiles(autoencoder_->config(), latent.size(1), latent.size(2));
  const at::Tensor picture = tiles ? InTiles(latents, Tile(), decode) : decode(latents);
  return (picture.squeeze(0) / 2 + 0.5).clamp(0, 1);
}

at::Tensor QwenImagePipeline::Encode(const at::Tensor& picture, NoiseSource& noise) const {
  const LatentDistribution latents = LatentsOf(picture);
  return autoencoder_->Normed(latents.Sample(noise.DrawLike(latents.mean)));
}

LatentDistribution QwenImagePipeline::LatentsOf(const at::Tensor& picture) const {
  const int64_t reduction = autoencoder_->config().reduction();
  const auto encode = [this](const at::Tensor& image) { return autoencoder_->EncodeMoments(image); };
  const at::Tensor centred = picture.unsqueeze(0) * 2 - 1;
  const bool tiles =
      NeedsTiles(autoencoder_->config(), picture.size(1) / reduction, picture.size(2) / reduction);
  const at::Tensor moments = tiles ? InTiles(centred, Tile() * reduction, encode) : encode(centred);
  return LatentDistribution::Of(moments.squeeze(0), /*dim=*/0);
}

}  // namespace mind::diffusion
