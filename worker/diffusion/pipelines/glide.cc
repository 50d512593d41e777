#include "worker/diffusion/pipelines/glide.h"

#include <algorithm>
#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/text/glide_bpe.h"
#include "worker/diffusion/text/sentence_piece.h"
#include "worker/diffusion/weights/names/mindspore_names.h"

namespace mind::diffusion {
namespace {

constexpr char kBase[] = "base", kUpsampler[] = "upsampler", kGan[] = "gan";
// As the notebook samples, and as Taichu's inference does.
struct Defaults {
  int64_t steps;
  double guidance;
};
constexpr Defaults kEnglish{100, 3}, kTaichu{60, 5};

// As the file names them.
NamedTensors StoredTensors(const ModelDirectory& directory, const std::string& part) {
  const std::string checkpoint = directory.ComponentPath(part) + "/model.ckpt";
  std::error_code ignored;
  return std::filesystem::exists(checkpoint, ignored) ? ReadWeights(checkpoint)
                                                      : ReadComponent(directory.ComponentPath(part));
}

// How much larger the generator makes the last picture; 1: there is none.
int64_t GanEnlargement(const ModelDirectory& directory) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(directory.ComponentPath(kGan), ignored)) return 1;
  return int64_t{1} << SuperResolutionGan::ShapeOf(StoredTensors(directory, kGan)).doublings;
}

bool HasUpsampler(const ModelDirectory& directory) {
  std::error_code ignored;
  return std::filesystem::exists(directory.ComponentPath(kUpsampler) + "/config.json", ignored);
}

std::string TokenizerPath(const ModelDirectory& directory) {
  return directory.ComponentPath("tokenizer");
}

// Taichu's models are told by their tokenizer: in all else they are as the English ones.
bool IsTaichu(const ModelDirectory& directory) {
  return SentencePieceTokenizer::IsIn(TokenizerPath(directory));
}

std::unique_ptr<const Tokenizer> TokenizerOf(const ModelDirectory& directory, size_t length) {
  if (IsTaichu(directory)) return SentencePieceTokenizer::FromDirectory(TokenizerPath(directory), length);
  return GlideBpeTokenizer::FromDirectory(TokenizerPath(directory), length);
}

std::vector<int64_t> Descending(std::vector<int64_t> steps) {
  std::reverse(steps.begin(), steps.end());
  return steps;
}

bool IsUpsampler(const Config& options) {
  return options.Bool("super_res", false);
}

}  // namespace

GlideShape GlideShapeOf(const Config& options) {
  const UNetConfig unet = UNetConfig::FromGlide(options);
  GlideShape shape;
  shape.layers = unet.layers_per_block;
  shape.text_heads = GlideTextConfig::From(options).heads;
  const int64_t width = options.Int("num_head_channels", -1), heads = options.Int("num_heads", 1);
  shape.heads_of_channels = [width, heads](int64_t channels) { return width > 0 ? channels / width : heads; };
  return shape;
}

SamplerConfig GlideSampler(const Config& options, const std::string& respacing) {
  SamplerConfig config;
  config.train_steps = options.Int("diffusion_steps", 1000);
  if (config.train_steps < 2 || config.train_steps > 1'000'000)
    options.Unsupported("diffusion_steps", "2 to 1000000");
  config.beta_schedule = options.String("noise_schedule", "linear");
  if (config.beta_schedule == "linear") {
    // Scaled so that any number of steps ends in the same noise.
    config.beta_start = 0.1 / static_cast<double>(config.train_steps);
    config.beta_end = 20.0 / static_cast<double>(config.train_steps);
  } else if (config.beta_schedule != "squaredcos_cap_v2") {
    options.Unsupported("noise_schedule", "linear, squaredcos_cap_v2");
  }
  config.double_precision = true;
  config.clip = true;
  config.spacing = Spacing::kLinspace;
  config.alpha_one_at_end = true;
  config.use_clipped_output = true;  // as guided-diffusion does DDIM
  config.variance = Variance::kLearnedRange;
  config.class_name = IsUpsampler(options) ? "DDIMScheduler" : "DDPMScheduler";
  const std::string steps = !respacing.empty() ? respacing : IsUpsampler(options) ? "fast27" : "";
  if (!steps.empty()) {
    config.custom_timesteps = Descending(RespacedTimesteps(steps, config.train_steps));
  }
  return config;
}

at::Tensor GlideLowResolution(const at::Tensor& picture, at::IntArrayRef size) {
  return at::upsample_bilinear2d(picture, size, /*align_corners=*/false);
}

ModelInfo GlidePipeline::Describe(const ModelDirectory& directory) {
  const Config base = directory.ComponentConfig(kBase);
  if (IsUpsampler(base)) base.Unsupported("super_res", "false, in base/");
  const SamplerConfig sampler = GlideSampler(base);
  const UNetConfig unet = UNetConfig::FromGlide(base);
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.takes_prompt = true;
  info.takes_negative_prompt = true;
  info.takes_guidance = true;
  info.languages = {IsTaichu(directory) ? "zh" : "en"};
  int64_t size = unet.sample_size, enlargement = 1;
  info.takes_source = true;
  if (HasUpsampler(directory)) {
    const Config upsampler = directory.ComponentConfig(kUpsampler);
    if (!IsUpsampler(upsampler)) upsampler.Unsupported("super_res", "true, in upsampler/");
    const UNetConfig larger = UNetConfig::FromGlide(upsampler);
    if (larger.sample_size % size != 0 || larger.sample_size <= size)
      upsampler.Unsupported("image_size", "a multiple of the base's");
    enlargement = larger.sample_size / size;
    size = larger.sample_size;
    const SamplerConfig later = GlideSampler(upsampler);
    info.later_steps = static_cast<int64_t>(later.custom_timesteps.size());
    info.later_stages = {{.name = "upsampler",
                          .default_steps = info.later_steps,
                          .max_steps = later.train_steps,
                          .fixed_guidance = true}};
  }
  const int64_t generated = GanEnlargement(directory);
  enlargement *= generated;
  size *= generated;
  info.size_multiple = enlargement * (int64_t{1} << (unet.levels.size() - 1));
  if (HasUpsampler(directory)) {
    const size_t levels = UNetConfig::FromGlide(directory.ComponentConfig(kUpsampler)).levels.size();
    info.size_multiple = std::max(info.size_multiple, generated * (int64_t{1} << (levels - 1)));
  }
  info.default_width = info.default_height = size;
  info.max_width = info.max_height = 4 * size;
  info.train_steps = sampler.train_steps;
  const Defaults defaults = IsTaichu(directory) ? kTaichu : kEnglish;
  info.default_steps = std::min(defaults.steps, sampler.train_steps);
  info.default_guidance = defaults.guidance;
  info.default_sampler = DefaultSamplerName(sampler);
  info.samplers = SamplersFor(sampler);
  PictureScorer::Describe(directory, sampler, unet.in_channels, info);
  return info;
}

std::unique_ptr<const Pipeline> GlidePipeline::Load(const ModelDirectory& directory,
                                                    FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<GlidePipeline> base = LoadStage(directory, kBase, options);
  base->info_ = Describe(directory);
  base->info_.revision = directory.Revision(options.precision);
  const int64_t generated = GanEnlargement(directory);
  std::unique_ptr<const SuperResolutionGan> gan;
  if (generated > 1) {
    NamedTensors tensors = StoredTensors(directory, kGan);
    const SuperResolutionGan::Shape shape = SuperResolutionGan::ShapeOf(tensors);
    FileParameters::Options whole = options;
    whole.precision = Precision::kFloat32;  // precision.h
    FileParameters weights(std::move(tensors), whole);
    gan = std::make_unique<SuperResolutionGan>(Scope(weights), shape);
    weights.ExpectAllTaken();
  }
  base->scorer_ = PictureScorer::Load(directory, base->sampler_config_, options);
  base->enlarged_later_ = generated;
  if (!HasUpsampler(directory)) {
    base->gan_ = std::move(gan);
    return base;
  }
  std::unique_ptr<GlidePipeline> upsampler = LoadStage(directory, kUpsampler, options);
  const SamplerConfig& sampler = upsampler->sampler_config_;
  upsampler->info_ = base->info_;
  upsampler->info_.train_steps = sampler.train_steps;
  upsampler->info_.default_sampler = DefaultSamplerName(sampler);
  upsampler->info_.default_steps = static_cast<int64_t>(sampler.custom_timesteps.size());
  upsampler->info_.default_guidance = 1;
  upsampler->info_.enlargement = upsampler->unet_->config().sample_size / base->unet_->config().sample_size;
  base->enlarged_later_ = generated * upsampler->info_.enlargement;
  upsampler->enlarged_later_ = generated;
  upsampler->gan_ = std::move(gan);
  base->next_ = std::move(upsampler);
  return base;
}

std::unique_ptr<GlidePipeline> GlidePipeline::LoadStage(const ModelDirectory& directory,
                                                        const std::string& stage,
                                                        FileParameters::Options options) {
  const Config config = directory.ComponentConfig(stage);
  std::unique_ptr<GlidePipeline> pipeline(new GlidePipeline);
  pipeline->device_ = options.device;
  pipeline->sampler_config_ = GlideSampler(config);
  const GlideTextConfig text = GlideTextConfig::From(config);
  pipeline->tokenizer_ = TokenizerOf(directory, static_cast<size_t>(text.positions));
  // OpenAI's names pass through the first of these as they are.
  FileParameters weights(FromGlide(FromMindSpore(StoredTensors(directory, stage)), GlideShapeOf(config)),
                         options);
  pipeline->text_ = std::make_unique<GlideText>(Scope(weights, "text"), text);
  pipeline->unet_ = std::make_unique<UNet>(Scope(weights, "unet"), UNetConfig::FromGlide(config));
  weights.ExpectAllTaken();
  ExpectSameVocabulary(*pipeline->tokenizer_, *pipeline->text_, directory.path());
  return pipeline;
}

SamplerConfig GlidePipeline::ConfigFor(int64_t steps) const {
  SamplerConfig config = sampler_config_;
  const auto own = static_cast<int64_t>(config.custom_timesteps.size());
  if (own > 0 && steps != own)
    config.custom_timesteps = Descending(RespacedTimesteps(std::to_string(steps), config.train_steps));
  return config;
}

std::vector<int64_t> GlidePipeline::LatentShape(int64_t width, int64_t height) const {
  return {3, height / enlarged_later_, width / enlarged_later_};
}

at::Tensor GlidePipeline::EncodePrompt(const std::string& prompt, int64_t& cut) const {
  std::vector<int64_t> ids = tokenizer_->Encode(prompt);
  const size_t kept = std::min(ids.size(), tokenizer_->model_length());
  cut += static_cast<int64_t>(ids.size() - kept);
  return prompts_.Get(prompt, [&] {
    ids.resize(kept);
    const at::Tensor row = at::tensor(ids, at::kLong).unsqueeze(0).to(device_);
    return text_->Encode(row).squeeze(0).to(at::kFloat);
  });
}

Conditioning GlidePipeline::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  Conditioning conditioning;
  conditioning.guided_channels = 3;
  const auto row = [&](const std::string& prompt) {
    conditioning.rows.push_back({{Condition::kText, EncodePrompt(prompt, conditioning.tokens_cut)}});
  };
  // A later stage follows its source and the prompt, unguided, as the reference does.
  const bool first = info_.enlargement == 1;
  if (first) conditioning.guidance = request.Guided();
  if (conditioning.guidance.scale != 1) row(request.negative_prompt.value_or(""));
  row(request.prompt);
  if (first) PictureScorer::Ask(scorer_.get(), request, shape, conditioning);
  return conditioning;
}

at::Tensor GlidePipeline::Decode(const at::Tensor& latent) const {
  const at::Tensor picture = gan_ ? (*gan_)(latent.unsqueeze(0)).squeeze(0) : latent;
  return (picture / 2 + 0.5).clamp(0, 1);
}

at::Tensor GlidePipeline::Encode(const at::Tensor& picture, NoiseSource&) const {
  return picture * 2 - 1;
}

Start GlidePipeline::Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
                           NoiseSource& noise) const {
  if (info_.enlargement == 1) return Pipeline::Begin(source, request, shape, noise);
  Start start;
  start.noise = noise.Draw(shape).to(device()) * kGlideUpsampleTemperature;
  const at::Tensor small = (source.picture * 2 - 1).unsqueeze(0);
  start.channels = GlideLowResolution(small, shape.slice(1)).squeeze(0);
  return start;
}

}  // namespace mind::diffusion
