#include "worker/diffusion/pipelines/flux2_klein.h"

#include <algorithm>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/pipelines/tiles.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/weights/names/flux2_names.h"

namespace mind::diffusion {
namespace {

constexpr char kKleinDenoiser[] = "transformer", kKleinAutoencoder[] = "vae";
constexpr int64_t kKleinSamples = 128;  // latents each way; 1024 pixels
// As its publishers call either.
constexpr int64_t kKleinSteps = 50, kDistilledKleinSteps = 4;
constexpr double kKleinGuidance = 4;
constexpr int64_t kMostReferencePixels = 1024 * 1024;
constexpr int64_t kMostKleinReferences = 3;
constexpr int64_t kReferenceStep = 10;  // from picture to picture on their axis; what is made is at 0

AutoencoderFlux2Config KleinAutoencoder(const ModelDirectory& directory) {
  return AutoencoderFlux2Config::From(directory.ComponentConfig(kKleinAutoencoder));
}

bool IsDistilled(const ModelDirectory& directory) {
  return directory.Index().Bool("is_distilled", false);
}

// Checked against the autoencoder and the text encoder beside it.
Flux2Config KleinTransformer(const ModelDirectory& directory) {
  const Config file = directory.ComponentConfig(kKleinDenoiser);
  const Flux2Config config = Flux2Config::From(file);
  if (config.guided) file.Unsupported("guidance_embeds", "false for a Flux2KleinPipeline");
  const int64_t channels = KleinAutoencoder(directory).patch_channels();
  if (config.channels != channels)
    file.Unsupported("in_channels", "4 times the autoencoder's latent_channels, " + std::to_string(channels));
  const int64_t text = Flux2Text::WidthOf(directory);
  if (config.text_width != text)
    file.Unsupported("joint_attention_dim",
                     "the text encoder's hidden_size for each layer told, " + std::to_string(text));
  return config;
}

SamplerConfig KleinSampling(const ModelDirectory& directory) {
  SamplerConfig config = directory.ReadSamplerConfig();
  config.flow.SpaceBySteps();
  config.flow.mu = FlowMu::kFlux2;
  config.flow.patch = 1;
  return config;
}

}  // namespace

ModelInfo Flux2KleinPipeline::Describe(const ModelDirectory& directory) {
  KleinTransformer(directory);
  if (!directory.LearntWordFiles().empty())
    throw UnsupportedError(directory.path() + ": a " + directory.pipeline_class() + " takes no learnt words");
  const AutoencoderFlux2Config autoencoder = KleinAutoencoder(directory);
  const SamplerConfig sampler = KleinSampling(directory);
  const bool distilled = IsDistilled(directory);
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.takes_prompt = true;
  info.takes_negative_prompt = info.takes_guidance = !distilled;
  info.edits = info.makes_too = true;
  info.most_references = kMostKleinReferences;
  info.reference_pixels = kMostReferencePixels;
  info.languages = {"en"};
  info.size_multiple = autoencoder.patch_reduction();
  info.default_width = info.default_height = kKleinSamples * autoencoder.network.reduction();
  info.max_width = info.max_height = 2 * info.default_width;
  info.train_steps = sampler.train_steps;
  info.default_steps = std::min(distilled ? kDistilledKleinSteps : kKleinSteps, sampler.train_steps);
  info.default_guidance = distilled ? 1 : kKleinGuidance;
  info.default_sampler = DefaultSamplerName(sampler);
  info.samplers = SamplersFor(sampler);
  info.loras = directory.LoraNames();
  return info;
}

std::unique_ptr<const Pipeline> Flux2KleinPipeline::Load(const ModelDirectory& directory,
                                                         FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<Flux2KleinPipeline> pipeline(new Flux2KleinPipeline);
  pipeline->info_ = Describe(directory);
  pipeline->info_.revision = directory.Revision(options.precision);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = KleinSampling(directory);
  pipeline->text_ = std::make_unique<const Flux2Text>(directory, options);
  FileParameters transformer(FromOriginalFlux2(directory.ComponentTensors(kKleinDenoiser)), options);
  pipeline->transformer_ =
      std::make_unique<const Flux2Transformer>(Scope(transformer), KleinTransformer(directory));
  transformer.ExpectAllTaken();
  LayerWeights layers;
  AddLayersOf(kKleinDenoiser, transformer, layers);
  pipeline->adapters_ =
      std::make_unique<const AdapterLibrary>(directory.LoraFolder(), std::move(layers), options);
  const AutoencoderFlux2Config config = KleinAutoencoder(directory);
  FileParameters::Options upcast = options;
  upcast.precision = AutoencoderPrecision(options.precision, config.network.force_upcast);
  FileParameters vae = directory.ComponentWeights(kKleinAutoencoder, upcast);
  pipeline->autoencoder_ = std::make_unique<const AutoencoderFlux2>(Scope(vae), config);
  vae.ExpectAllTaken();
  const AutoencoderFlux2& autoencoder = *pipeline->autoencoder_;
  const auto decode = [&](const at::Tensor& latents) {
    const at::Tensor patches =
        at::pixel_unshuffle(latents.to(options.device), AutoencoderFlux2Config::kPatch);
    return autoencoder.network().Decode(autoencoder.Unpacked(patches));
  };
  pipeline->preview_ = LatentPreview::Fit(decode, config.network.latent_channels, options.device);
  return pipeline;
}

std::vector<int64_t> Flux2KleinPipeline::LatentShape(int64_t width, int64_t height) const {
  const AutoencoderFlux2Config& config = autoencoder_->config();
  return {config.patch_channels(), height / config.patch_reduction(), width / config.patch_reduction()};
}

Conditioning Flux2KleinPipeline::Condition(const PictureRequest& request, at::IntArrayRef) const {
  Conditioning conditioning;
  conditioning.adapters = adapters_->Get(request.loras);
  const auto row = [&](const std::string& prompt) {
    conditioning.rows.push_back({{Condition::kText, text_->Encode(prompt, conditioning.tokens_cut)}});
  };
  if (info_.takes_guidance && request.guidance > 1) {  // below, the reference guides nothing
    conditioning.guidance = request.Guided();
    row(request.negative_prompt.value_or(""));
  }
  row(request.prompt);
  return conditioning;
}

Start Flux2KleinPipeline::Begin(const Source& source, const PictureRequest&, at::IntArrayRef shape,
                                NoiseSource& noise) const {
  if (source.mask.defined() || source.depth.defined())
    throw RequestError("this model takes neither a mask nor a depth map");
  Start start;
  start.noise = noise.Draw(shape).to(device_);
  if (!source.defined()) return start;
  std::vector<at::Tensor> tokens, places;
  for (const at::Tensor& picture : source.References()) {
    const at::Tensor bytes = Flux2Reference(picture, info_.size_multiple).permute({2, 0, 1});
    const at::Tensor patches = PatchesOf(bytes.to(device_).to(at::kFloat) / 255);
    tokens.push_back(TokensOf(patches.unsqueeze(0), /*patch=*/1, TokenOrder::kByChannel).squeeze(0));
    const int64_t number = static_cast<int64_t>(tokens.size());
    places.push_back(
        GridPositions({kReferenceStep * number, 0, 0, 0}, patches.size(1), patches.size(2), device_)
            .to(at::kFloat));
  }
  start.reference = at::cat(tokens);
  start.reference_places = at::cat(places);
  return start;
}

at::Tensor Flux2KleinPipeline::Decode(const at::Tensor& latent) const {
  const AutoencoderConfig& config = autoencoder_->config().network;
  const at::Tensor latents = autoencoder_->Unpacked(latent.unsqueeze(0));
  const auto decode = [this](const at::Tensor& part) { return autoencoder_->network().Decode(part); };
  const bool tiles = NeedsTiles(config, latents.size(2), latents.size(3));
  const at::Tensor picture = tiles ? InTiles(latents, Tile(), decode) : decode(latents);
  return (picture.squeeze(0) / 2 + 0.5).clamp(0, 1);
}

at::Tensor Flux2KleinPipeline::Encode(const at::Tensor& picture, NoiseSource&) const {
  return PatchesOf(picture);
}

at::Tensor Flux2KleinPipeline::Preview(const at::Tensor& x0) const {
  return (*preview_)(at::pixel_shuffle(x0, AutoencoderFlux2Config::kPatch));
}

at::Tensor Flux2KleinPipeline::PatchesOf(const at::Tensor& picture) const {
  const AutoencoderConfig& config = autoencoder_->config().network;
  const int64_t reduction = config.reduction();
  const at::Tensor centred = picture.unsqueeze(0) * 2 - 1;
  const auto encode = [this](const at::Tensor& part) { return autoencoder_->network().EncodeMoments(part); };
  const bool tiles = NeedsTiles(config, picture.size(1) / reduction, picture.size(2) / reduction);
  const at::Tensor moments = tiles ? InTiles(centred, Tile() * reduction, encode) : encode(centred);
  return autoencoder_->Packed(LatentDistribution::Of(moments, /*dim=*/1).mean).squeeze(0);
}

int64_t Flux2KleinPipeline::Tile() const {
  return kKleinSamples;
}

at::Tensor Flux2Reference(const at::Tensor& picture, int64_t multiple) {
  at::Tensor seen = picture;
  const int64_t pixels = seen.size(0) * seen.size(1);
  if (pixels > kMostReferencePixels) {
    const double scale = std::sqrt(static_cast<double>(kMostReferencePixels) / static_cast<double>(pixels));
    // A picture a thousand times as wide as high keeps a line.
    const auto scaled = [scale](int64_t side) {
      return std::max<int64_t>(static_cast<int64_t>(static_cast<double>(side) * scale), 1);
    };
    seen = ResizePicture(seen, scaled(seen.size(1)), scaled(seen.size(0)));
  }
  for (const int64_t dim : {0, 1}) {
    const int64_t side = seen.size(dim), kept = side / multiple * multiple;
    if (kept == 0)
      throw RequestError("a source picture is seen at a megapixel at most, of which each side needs " +
                         std::to_string(multiple) + " pixels, given: " + std::to_string(picture.size(1)) +
                         "x" + std::to_string(picture.size(0)));
    seen = seen.narrow(dim, (side - kept) / 2, kept);
  }
  return seen;
}

}  // namespace mind::diffusion
