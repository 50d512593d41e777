#include "worker/diffusion/pipelines/flux.h"

#include <cmath>
#include <limits>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {
namespace {

constexpr char kFluxFill[] = "FluxFillPipeline", kFluxKontext[] = "FluxKontextPipeline";
constexpr char kFluxDenoiser[] = "transformer", kFluxClip[] = "text_encoder", kFluxT5[] = "text_encoder_2",
               kFluxT5Tokenizer[] = "tokenizer_2";
constexpr int64_t kKontextTokens = 64 * 64;  // that a picture is changed by, about
constexpr int64_t kFluxSamples = 128;        // latents each way that it was trained at

// What each is used with unless told otherwise, by its authors; tokens that T5 reads.
struct FluxDefaults {
  int64_t steps;
  double guidance;
  int64_t tokens;
};
constexpr FluxDefaults kFluxDev{28, 3.5, 512}, kFluxSchnell{4, 1, 256}, kFluxKontextDev{28, 2.5, 512},
    kFluxFillDev{50, 30, 512};

// CLIP sees the prompt as it is written, and as much of it as it has room for.
const PromptReading kFluxReading = {
    .emphasis = Emphasis::kNone, .most_chunks = 1, .comma_backtrack = 0, .padded = false};

FluxDefaults DefaultsOf(const ModelDirectory& directory, const FluxConfig& config) {
  if (!config.guided) return kFluxSchnell;
  if (directory.pipeline_class() == kFluxKontext) return kFluxKontextDev;
  return directory.pipeline_class() == kFluxFill ? kFluxFillDev : kFluxDev;
}

// What its mind.json may say beside what any model's may.
Config FluxSettings(const ModelDirectory& directory) {
  const std::string file = directory.path() + "/mind.json";
  return IsFile(file) ? Config::FromFile(file) : Config(nlohmann::json::object(), file);
}

int64_t FluxTokens(const ModelDirectory& directory, const FluxDefaults& defaults) {
  const Config settings = FluxSettings(directory);
  const int64_t tokens = settings.Int("max_sequence_length", defaults.tokens);
  if (tokens < 1 || tokens > kFluxDev.tokens) settings.Unsupported("max_sequence_length", "1 to 512");
  return tokens;
}

double TrueGuidance(const ModelDirectory& directory) {
  const Config settings = FluxSettings(directory);
  const double scale = settings.Double("true_guidance", 1);
  if (!(scale >= 1 && scale <= 100)) settings.Unsupported("true_guidance", "1 to 100");
  return scale;
}

// Checked against the autoencoder and the text encoders beside it.
FluxConfig FluxConfigIn(const ModelDirectory& directory) {
  const Config file = directory.ComponentConfig(kFluxDenoiser);
  FluxConfig config = FluxConfig::From(file);
  const AutoencoderConfig vae = AutoencoderConfig::From(directory.ComponentConfig("vae"));
  if (config.latent_channels() != vae.latent_channels)
    file.Unsupported("out_channels",
                     "4 times the autoencoder's latent_channels: " + std::to_string(4 * vae.latent_channels));
  const bool fills = directory.pipeline_class() == kFluxFill;
  const int64_t beside = fills ? vae.latent_channels + vae.reduction() * vae.reduction() : 0;
  if (config.channels_beside() != beside)
    file.Unsupported("in_channels", "for a " + directory.pipeline_class() + " " +
                                        std::to_string(config.out_channels + 4 * beside));
  const T5TextConfig t5 = T5TextConfig::From(directory.ComponentConfig(kFluxT5));
  if (config.text_width != t5.width)
    file.Unsupported("joint_attention_dim", "text_encoder_2's d_model, " + std::to_string(t5.width));
  const ClipTextConfig clip = ClipTextConfig::From(directory.ComponentConfig(kFluxClip));
  const int64_t pooled = clip.projection > 0 ? clip.projection : clip.width;
  if (config.pooled_width != pooled)
    file.Unsupported("pooled_projection_dim",
                     "what text_encoder makes of a prompt, " + std::to_string(pooled));
  return config;
}

}  // namespace

ModelInfo FluxPipeline::Describe(const ModelDirectory& directory) {
  const FluxConfig config = FluxConfigIn(directory);
  if (!directory.LearntWordFiles().empty())
    throw UnsupportedError(directory.path() + "/" + kLearntWordFolder + ": a " + directory.pipeline_class() +
                           " takes no learnt words");
  ModelInfo info = DescribeLatents(directory, kFluxSamples);
  const int64_t reduction = info.default_width / kFluxSamples;
  info.size_multiple = FluxConfig::kPatch * reduction;
  info.takes_prompt = info.takes_second_prompt = true;
  info.languages = {"en"};
  info.needs_mask = directory.pipeline_class() == kFluxFill;
  info.edits = directory.pipeline_class() == kFluxKontext;
  if (info.edits) {
    info.most_references = 1;
    info.reference_pixels = kKontextTokens * info.size_multiple * info.size_multiple;
  }
  info.takes_hires = !info.needs_mask && !info.edits;
  info.takes_guidance = !config.guided;
  info.negative_prompt_guides = config.guided && TrueGuidance(directory) > 1;
  info.takes_negative_prompt = !config.guided || info.negative_prompt_guides;
  const FluxDefaults defaults = DefaultsOf(directory, config);
  FluxTokens(directory, defaults);  // throws where it is not possible
  info.default_steps = std::min(defaults.steps, info.train_steps);
  info.default_guidance = defaults.guidance;
  info.loras = directory.LoraNames();
  return info;
}

std::unique_ptr<const Pipeline> FluxPipeline::Load(const ModelDirectory& directory,
                                                   FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<FluxPipeline> pipeline(new FluxPipeline);
  pipeline->info_ = Describe(directory);
  pipeline->info_.revision = directory.Revision(options.precision);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = directory.ReadSamplerConfig();
  pipeline->sampler_config_.flow.SpaceBySteps();
  const FluxConfig config = FluxConfigIn(directory);
  LayerWeights layers;
  pipeline->clip_ = std::make_unique<const PromptEncoder>(directory, PromptEncoder::Part{}, options, layers);
  pipeline->t5_ = std::make_unique<const T5Prompts>(
      directory, kFluxT5Tokenizer, kFluxT5, FluxTokens(directory, DefaultsOf(directory, config)), options);
  FileParameters weights = directory.ComponentWeights(kFluxDenoiser, options);
  pipeline->transformer_ = std::make_unique<const FluxTransformer>(Scope(weights), config);
  weights.ExpectAllTaken();
  AddLayersOf(kFluxDenoiser, weights, layers);
  pipeline->LoadAutoencoder(directory, options);
  pipeline->adapters_ =
      std::make_unique<const AdapterLibrary>(directory.LoraFolder(), std::move(layers), options);
  pipeline->true_guidance_ = TrueGuidance(directory);
  pipeline->keeps_reference_size_ = FluxSettings(directory).Bool("keep_reference_size", false);
  return pipeline;
}

Told FluxPipeline::Row(const std::string& prompt, const std::string& prompt_2,
                       const PromptEncoder::Wish& wish, double guidance, int64_t& cut) const {
  Told row = {{Condition::kText, t5_->Encode(prompt_2.empty() ? prompt : prompt_2, cut)},
              {Condition::kPooled, clip_->Encode(prompt, wish).pooled}};
  if (transformer_->config().guided) row.Set(Condition::kGuidance, FluxGuidance(guidance).to(device_));
  return row;
}

Conditioning FluxPipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  Conditioning conditioning;
  conditioning.guidance = request.Guided();
  // A model that is told the scale is led away from a negative prompt, where there is one, by another one.
  if (transformer_->config().guided)
    conditioning.guidance.scale = request.negative_prompt ? true_guidance_ : 1;
  conditioning.adapters = adapters_->Get(request.loras);
  const PromptEncoder::Wish wish{kFluxReading, /*clip_skip=*/0, conditioning.adapters};
  const auto row = [&](const std::string& prompt, const std::string& prompt_2) {
    conditioning.rows.push_back(Row(prompt, prompt_2, wish, request.guidance, conditioning.tokens_cut));
  };
  if (conditioning.guidance.scale > 1) {
    row(request.negative_prompt.value_or(""), request.negative_prompt_2);
  } else {
    conditioning.guidance.scale = 1;  // below, the reference guides nothing
  }
  row(request.prompt, request.prompt_2);
  PictureScorer::Ask(scorer_.get(), request, shape, conditioning);
  return conditioning;
}

Start FluxPipeline::Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
                          NoiseSource& noise) const {
  if (info_.needs_mask) return BeginFill(source, shape, noise);
  if (info_.edits) return BeginKontext(source, shape, noise);
  return Pipeline::Begin(source, request, shape, noise);
}

Start FluxPipeline::BeginFill(const Source& source, at::IntArrayRef shape, NoiseSource& noise) const {
  ExpectPictures(source);
  Start start;
  start.from_noise = source.strength == 1;
  start.x0 = Encode(source.picture, noise);
  start.noise = noise.Draw(shape).to(device_);
  const at::Tensor mask = (source.mask >= 0.5).to(source.picture.options());
  // Grey, the middle of the colours, where it is to be painted.
  const at::Tensor masked =
      Encode(at::where(mask > 0.5, at::full_like(source.picture, 0.5), source.picture), noise);
  start.channels = at::cat({masked, MaskChannels(mask, autoencoder_->config().reduction())});
  return start;
}

Start FluxPipeline::BeginKontext(const Source& source, at::IntArrayRef shape, NoiseSource& noise) const {
  if (!source.defined()) throw RequestError("this model changes pictures: it needs a source picture");
  if (source.mask.defined() || source.depth.defined())
    throw RequestError("this model takes neither a mask nor a depth map");
  const int64_t width = source.original.size(1), height = source.original.size(0),
                multiple = info_.size_multiple;
  std::array<int64_t, 2> size = KontextSize(width, height, multiple);
  if (keeps_reference_size_) {
    size = {width / multiple * multiple, height / multiple * multiple};
    if (std::min(size[0], size[1]) < multiple || std::max(width, height) > info_.max_width)
      throw RequestError("this model sees source pictures of " + std::to_string(multiple) + " to " +
                         std::to_string(info_.max_width) + " pixels a side, given: " + std::to_string(width) +
                         "x" + std::to_string(height));
  }
  const bool has_size = source.picture.size(2) == size[0] && source.picture.size(1) == size[1];
  const at::Tensor picture =
      has_size ? source.picture : ToFloats(ResizePicture(source.original, size[0], size[1]), device_);
  const at::Tensor latents = autoencoder_->config().Scaled(LatentsOf(picture).mean);
  Start start;
  start.reference = TokensOf(latents.unsqueeze(0), FluxConfig::kPatch, TokenOrder::kByChannel).squeeze(0);
  start.reference_places =
      GridPositions({1, 0, 0}, size[1] / multiple, size[0] / multiple, device_).to(at::kFloat);
  start.noise = noise.Draw(shape).to(device_);
  return start;
}

std::array<int64_t, 2> KontextSize(int64_t width, int64_t height, int64_t multiple) {
  // In tokens: the sides of one proportion, and of those that lie between it and a square.
  constexpr std::array<std::array<int64_t, 2>, 9> kSides = {
      {{42, 98}, {43, 94}, {45, 91}, {47, 87}, {50, 83}, {52, 78}, {55, 74}, {59, 69}, {64, 64}}};
  const double wanted = static_cast<double>(width) / static_cast<double>(height);
  std::array<int64_t, 2> nearest = {};
  double least = std::numeric_limits<double>::infinity();
  for (const auto& [shorter, longer] : kSides) {
    for (const auto& [w, h] : {std::pair{shorter, longer}, std::pair{longer, shorter}}) {
      const double off = std::abs(wanted - static_cast<double>(w) / static_cast<double>(h));
      if (off >= least) continue;
      least = off;
      nearest = {w * multiple, h * multiple};
    }
  }
  return nearest;
}

at::Tensor MaskChannels(const at::Tensor& mask, int64_t reduction) {
  const int64_t rows = mask.size(1) / reduction, columns = mask.size(2) / reduction;
  return mask.reshape({rows, reduction, columns, reduction})
      .permute({1, 3, 0, 2})
      .reshape({reduction * reduction, rows, columns});
}

}  // namespace mind::diffusion
