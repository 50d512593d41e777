#include "worker/diffusion/pipelines/latent_pipeline.h"

#include <algorithm>
#include <filesystem>

#include "worker/diffusion/pipelines/tiles.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr char kTiny[] = "taesd";
constexpr int64_t kLeastTile = 32;

}  // namespace

ModelInfo LatentPipeline::DescribeLatents(const ModelDirectory& directory, int64_t sample_size) {
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  const SamplerConfig sampler = directory.ReadSamplerConfig();
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  // diffusers asks for 8 whatever the autoencoder; with a smaller reduction 8 is still a multiple of it.
  info.size_multiple = std::max<int64_t>(8, vae.reduction());
  info.default_width = info.default_height = sample_size * vae.reduction();
  info.max_width = info.max_height = std::max<int64_t>(4 * info.default_width, info.size_multiple);
  info.train_steps = sampler.train_steps;
  info.default_sampler = DefaultSamplerName(sampler);
  info.samplers = SamplersFor(sampler);
  info.vaes = directory.Vaes();
  PictureScorer::Describe(directory, sampler, vae.latent_channels, info);
  return info;
}

void LatentPipeline::LoadAutoencoder(const ModelDirectory& directory, FileParameters::Options options) {
  const AutoencoderConfig autoencoder = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  FileParameters::Options upcast = options;
  upcast.precision = AutoencoderPrecision(options.precision, autoencoder.force_upcast);
  FileParameters vae = directory.ComponentWeights("vae", upcast);
  autoencoder_ = std::make_unique<AutoencoderKl>(Scope(vae), autoencoder);
  vae.ExpectAllTaken();
  vaes_ = std::make_unique<const VaeLibrary>(directory, autoencoder, upcast);
  scorer_ = PictureScorer::LoadDecoded(directory, sampler_config_, options, Tile());
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory.ComponentPath(kTiny), ignored)) {
    preview_ = std::make_unique<LatentPreview>(LatentPreview::Fit(*autoencoder_, options.device));
    return;
  }
  const Config config = directory.ComponentConfig(kTiny);
  const TinyAutoencoderConfig tiny = TinyAutoencoderConfig::From(config);
  if (tiny.latent_channels != autoencoder_->config().latent_channels)
    config.Unsupported("latent_channels", "as many as the model's autoencoder has");
  FileParameters weights = directory.ComponentWeights(kTiny, options);
  tiny_preview_ = std::make_unique<TinyAutoencoder>(Scope(weights), tiny);
  weights.ExpectAllTaken();
}

std::shared_ptr<const AutoencoderKl> LatentPipeline::Autoencoder() const {
  const std::string& chosen = VaeScope::chosen();
  if (!chosen.empty()) return vaes_->Use(chosen);
  return {autoencoder_.get(), [](const AutoencoderKl*) {}};  // which lives as long as this
}

at::Tensor LatentPipeline::Preview(const at::Tensor& x0) const {
  if (!tiny_preview_) return (*preview_)(x0);
  const at::Tensor latents = x0.unsqueeze(0) / tiny_preview_->config().scaling_factor;
  return (tiny_preview_->Decode(latents).squeeze(0) / 2 + 0.5).clamp(0, 1);
}

std::vector<int64_t> LatentPipeline::LatentShape(int64_t width, int64_t height) const {
  const AutoencoderConfig& vae = autoencoder_->config();
  return {vae.latent_channels, height / vae.reduction(), width / vae.reduction()};
}

int64_t LatentPipeline::Tile() const {
  const int64_t trained = info_.default_width / autoencoder_->config().reduction();
  return std::max<int64_t>(kLeastTile, trained / 4 * 4);
}

at::Tensor LatentPipeline::Decode(const at::Tensor& latent) const {
  const AutoencoderConfig& config = autoencoder_->config();
  const at::Tensor unscaled = config.Unscaled(latent.unsqueeze(0));
  const auto autoencoder = Autoencoder();
  const auto decode = [&](const at::Tensor& latents) { return autoencoder->Decode(latents); };
  const bool tiles = NeedsTiles(config, latent.size(1), latent.size(2));
  const at::Tensor picture = tiles ? InTiles(unscaled, Tile(), decode) : decode(unscaled);
  return (picture.squeeze(0) / 2 + 0.5).clamp(0, 1);
}

at::Tensor LatentPipeline::Encode(const at::Tensor& picture, NoiseSource& noise) const {
  const LatentDistribution latents = LatentsOf(picture);
  return autoencoder_->config().Scaled(latents.Sample(noise.DrawLike(latents.mean)));
}

LatentDistribution LatentPipeline::LatentsOf(const at::Tensor& picture) const {
  const AutoencoderConfig& config = autoencoder_->config();
  const int64_t reduction = config.reduction();
  const at::Tensor centred = picture.unsqueeze(0) * 2 - 1;
  const auto autoencoder = Autoencoder();
  const auto encode = [&](const at::Tensor& image) { return autoencoder->EncodeMoments(image); };
  const bool tiles = NeedsTiles(config, picture.size(1) / reduction, picture.size(2) / reduction);
  const at::Tensor moments =
      (tiles ? InTiles(centred, Tile() * reduction, encode) : encode(centred)).squeeze(0);
  return LatentDistribution::Of(moments, /*dim=*/0);
}

}  // namespace mind::diffusion
