#include "worker/diffusion/pipelines/kandinsky.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/pipelines/kandinsky_prior.h"
#include "worker/diffusion/pipelines/tiles.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr char kDecoderFolder[] = "unet", kMovqFolder[] = "movq";
constexpr double kKandinskyGuidance = 4;
constexpr int64_t kKandinskySteps = 100;
constexpr int64_t kLeastMovqTile = 32;

MovqConfig MovqOf(const ModelDirectory& directory) {
  return MovqConfig::From(directory.ComponentConfig(kMovqFolder));
}

UNetConfig UNetOf(const ModelDirectory& directory) {
  return UNetConfig::From(directory.ComponentConfig(kDecoderFolder));
}

// The reference takes sides of so many latents as MoVQ reduces by; the UNet halves them, whatever they are.
int64_t SizeMultiple(const MovqConfig& movq, const UNetConfig& unet) {
  const int64_t halved = int64_t{1} << (unet.levels.size() - 1);
  return movq.reduction() * std::lcm(movq.reduction(), halved);
}

// That the prior's networks speak of the same vectors as the decoder.
void ExpectFitting(const ModelDirectory& directory, const std::string& prefix) {
  const int64_t width = UNetOf(directory).picture_context;
  const std::string wanted = "the decoder's encoder_hid_dim, " + std::to_string(width);
  const Config prior = directory.ComponentConfig(prefix + "prior"),
               vision = directory.ComponentConfig(prefix + "image_encoder"),
               text = directory.ComponentConfig(prefix + "text_encoder");
  if (PriorTransformerConfig::From(prior).embedding != width) prior.Unsupported("embedding_dim", wanted);
  if (ClipVisionConfig::From(vision).projection != width) vision.Unsupported("projection_dim", wanted);
  if (ClipTextConfig::From(text).projection != width) text.Unsupported("projection_dim", wanted);
}

}  // namespace

ModelInfo KandinskyDecoder::DescribeDecoder(const ModelDirectory& directory) {
  const Config config = directory.ComponentConfig(kDecoderFolder);
  const UNetConfig unet = UNetConfig::From(config);
  const MovqConfig movq = MovqOf(directory);
  if (unet.picture_context == 0) config.Unsupported("encoder_hid_dim_type", "\"image_proj\"");
  if (unet.level_class) config.Unsupported("class_embed_type", "null");
  const int64_t latent = movq.latent_channels;
  // Made for inpainting: it sees the kept part's latents and the mask beside its own.
  const bool sees_mask = unet.in_channels == 2 * latent + 1;
  if (unet.in_channels != latent && !sees_mask) {
    config.Unsupported("in_channels", std::to_string(latent) + ", as movq's latents, or " +
                                          std::to_string(2 * latent + 1) + ", for inpainting");
  }
  if (unet.out_channels != 2 * latent)
    config.Unsupported("out_channels", std::to_string(2 * latent) + ", of noise and its variance");
  const SamplerConfig sampler = directory.ReadSamplerConfig();
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.needs_mask = sees_mask;
  info.size_multiple = SizeMultiple(movq, unet);
  const int64_t trained = unet.sample_size * movq.reduction();
  info.default_width = info.default_height =
      std::max(trained / info.size_multiple, int64_t{1}) * info.size_multiple;
  info.max_width = info.max_height = 4 * info.default_width;
  info.train_steps = sampler.train_steps;
  info.default_steps = std::min(kKandinskySteps, sampler.train_steps);
  info.takes_guidance = true;
  info.default_guidance = kKandinskyGuidance;
  info.default_sampler = DefaultSamplerName(sampler);
  info.samplers = SamplersFor(sampler);
  return info;
}

ModelInfo KandinskyDecoder::Describe(const ModelDirectory& directory) {
  ModelInfo info = DescribeDecoder(directory);
  const std::string prefix = PriorPrefix(directory);
  ExpectFitting(directory, prefix);
  info.takes_prompt = info.takes_negative_prompt = info.takes_prior_guidance = true;
  info.languages = LanguagesOf(directory.ComponentPath(prefix + "tokenizer"));
  for (const auto& [word, path] : directory.LearntWordFiles()) info.learnt_words.push_back(word);
  info.later_steps = KandinskyPrior::kSteps;
  info.later_stages = {KandinskyPrior::StageOf(directory, prefix + "scheduler")};
  return info;
}

std::unique_ptr<const Pipeline> KandinskyDecoder::Load(const ModelDirectory& directory,
                                                       FileParameters::Options options) {
  const c10::InferenceMode inference;
  ModelInfo info = Describe(directory);
  info.revision = directory.Revision(options.precision);
  const std::string prefix = PriorPrefix(directory);
  // First, for its encoder is gone before the rest is there.
  const at::Tensor no_picture = PictureOfNothing(directory, prefix, options);
  auto decoder = std::make_unique<const KandinskyDecoder>(directory, options, info, no_picture);
  return std::make_unique<KandinskyPrior>(directory, prefix, options, info, std::move(decoder));
}

KandinskyDecoder::KandinskyDecoder(const ModelDirectory& directory, FileParameters::Options options,
                                   ModelInfo info, at::Tensor no_picture)
    : info_(std::move(info)),
      sampler_config_(directory.ReadSamplerConfig()),
      device_(options.device),
      no_picture_(std::move(no_picture)) {
  FileParameters unet = directory.ComponentWeights(kDecoderFolder, options);
  unet_ = std::make_unique<UNet>(Scope(unet), UNetOf(directory));
  unet.ExpectAllTaken();
  const MovqConfig config = MovqOf(directory);
  FileParameters::Options upcast = options;
  upcast.precision = AutoencoderPrecision(options.precision, config.force_upcast);
  FileParameters movq = directory.ComponentWeights(kMovqFolder, upcast);
  movq_ = std::make_unique<Movq>(Scope(movq), config);
  movq.ExpectAllTaken();
  const auto decode = [&](const at::Tensor& latents) { return movq_->Decode(latents.to(device_)); };
  preview_ = LatentPreview::Fit(decode, config.latent_channels, device_);
}

std::vector<int64_t> KandinskyDecoder::LatentShape(int64_t width, int64_t height) const {
  const int64_t multiple = info_.size_multiple, reduction = movq_->config().reduction();
  const auto latents = [&](int64_t pixels) {
    return (pixels + multiple - 1) / multiple * multiple / reduction;
  };
  return {movq_->config().latent_channels, latents(height), latents(width)};
}

Conditioning KandinskyDecoder::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  Conditioning conditioning;
  conditioning.guided_channels = shape[0];
  conditioning.guidance = request.Guided();
  conditioning.rows.resize(request.guidance > 1 ? 2 : 1);
  return conditioning;
}

int64_t KandinskyDecoder::Tile() const {
  return std::max(kLeastMovqTile, info_.default_width / movq_->config().reduction() / 4 * 4);
}

at::Tensor KandinskyDecoder::Decode(const at::Tensor& latent) const {
  const auto decode = [this](const at::Tensor& latents) { return movq_->Decode(latents); };
  const at::Tensor batch = latent.unsqueeze(0);
  const bool tiles = NeedsTiles(movq_->config(), latent.size(1), latent.size(2));
  const at::Tensor picture = tiles ? InTiles(batch, Tile(), decode) : decode(batch);
  return (picture.squeeze(0) / 2 + 0.5).clamp(0, 1);
}

at::Tensor KandinskyDecoder::Encode(const at::Tensor& picture, NoiseSource&) const {
  const int64_t reduction = movq_->config().reduction();
  const auto encode = [this](const at::Tensor& image) { return movq_->Encode(image); };
  const at::Tensor centred = picture.unsqueeze(0) * 2 - 1;
  const bool tiles = NeedsTiles(movq_->config(), picture.size(1) / reduction, picture.size(2) / reduction);
  return (tiles ? InTiles(centred, Tile() * reduction, encode) : encode(centred)).squeeze(0);
}

Start KandinskyDecoder::Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
                              NoiseSource& noise) const {
  Start start =
      info_.needs_mask ? BeginPainting(source, shape, noise) : Pipeline::Begin(source, request, shape, noise);
  start.image = source.result;
  return start;
}

Start KandinskyDecoder::BeginPainting(const Source& source, at::IntArrayRef shape, NoiseSource& noise) const {
  ExpectPictures(source);
  Start start;
  start.from_noise = source.strength == 1;
  start.x0 = Encode(source.picture, noise);
  start.noise = noise.Draw(shape).to(device_);
  const at::Tensor kept = (source.mask < 0.5).to(at::kFloat).unsqueeze(0);
  start.kept = WithoutBorder(at::upsample_nearest2d(kept, shape.slice(1)).squeeze(0));
  start.channels = at::cat({start.x0 * start.kept, start.kept});
  return start;
}

void KandinskyDecoder::Tell(const Source&, const Start& start, const PictureRequest&,
                            Conditioning& conditioning) const {
  const bool both = start.image.dim() == 2;
  const at::Tensor picture = both ? start.image[0] : start.image;
  const at::Tensor other = both ? start.image[1] : no_picture_;
  for (Told& row : conditioning.rows) {
    row.Set(Condition::kImage, &row == &conditioning.rows.back() ? picture : other);
    row.Set(Condition::kChannels, start.channels);
  }
}

at::Tensor WithoutBorder(const at::Tensor& kept) {
  const at::Tensor wide = at::constant_pad_nd(kept, {1, 1, 1, 1}, 1);
  at::Tensor inner = kept.clone();
  const int64_t height = kept.size(1), width = kept.size(2);
  // Of each cell, those beside it that it goes with.
  constexpr std::array<std::array<int64_t, 2>, 6> kBeside = {
      {{-1, 0}, {0, -1}, {-1, -1}, {1, 0}, {0, 1}, {1, 1}}};
  for (const auto& [down, right] : kBeside)
    inner = inner * wide.narrow(1, 1 + down, height).narrow(2, 1 + right, width);
  return inner;
}

}  // namespace mind::diffusion
