#include "worker/diffusion/pipelines/deepfloyd.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr char kFloydUNet[] = "unet", kFloydTextEncoder[] = "text_encoder",
               kFloydNoising[] = "image_noising_scheduler";
constexpr char kFloydSchedulerFile[] = "scheduler_config.json";
constexpr int64_t kFloydColours = 3;
// As diffusers' pipelines do unless told otherwise.
struct FloydDefaults {
  int64_t steps;
  double guidance;
};
constexpr FloydDefaults kFloydFirstDefaults{100, 7}, kFloydEnlargerDefaults{50, 4};
constexpr int64_t kFloydNoiseLevel = 250;
constexpr int64_t kFloydEnlargement = 4;  // of the published stage: 64 to 256 pixels

// A network that sees so many channels, checked against the text encoder whose states it is told.
UNetConfig FloydUNetOf(const ModelDirectory& directory, int64_t in_channels, const char* what) {
  const Config config = directory.ComponentConfig(kFloydUNet);
  UNetConfig unet = UNetConfig::From(config);
  if (unet.in_channels != in_channels)
    config.Unsupported("in_channels", std::to_string(in_channels) + ": " + what);
  if (unet.out_channels != kFloydColours && unet.out_channels != 2 * kFloydColours)
    config.Unsupported("out_channels", "3; or 6, with a variance");
  const ModelDirectory text(directory.text_of().empty() ? directory.path() : directory.text_of());
  const T5TextConfig encoder = T5TextConfig::From(text.ComponentConfig(kFloydTextEncoder));
  if (unet.text_width() != encoder.width)
    config.Unsupported("encoder_hid_dim", "the text encoder's d_model, " + std::to_string(encoder.width));
  return unet;
}

ModelInfo DescribeFloyd(const ModelDirectory& directory, const UNetConfig& unet,
                        const FloydDefaults& defaults) {
  const SamplerConfig sampler = directory.ReadSamplerConfig();
  ModelInfo info;
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.takes_prompt = info.takes_negative_prompt = info.takes_guidance = true;
  info.languages = {"en"};
  info.size_multiple = int64_t{1} << (unet.levels.size() - 1);
  info.default_width = info.default_height = unet.sample_size;
  info.max_width = info.max_height = 4 * unet.sample_size;
  info.train_steps = sampler.train_steps;
  info.default_steps = std::min(defaults.steps, sampler.train_steps);
  info.default_guidance = defaults.guidance;
  info.default_sampler = DefaultSamplerName(sampler);
  info.samplers = SamplersFor(sampler);
  return info;
}

}  // namespace

ModelInfo FloydPipeline::Describe(const ModelDirectory& directory) {
  const UNetConfig unet = FloydUNetOf(directory, kFloydColours, "the picture");
  if (unet.level_class) directory.ComponentConfig(kFloydUNet).Unsupported("class_embed_type", "null");
  return DescribeFloyd(directory, unet, kFloydFirstDefaults);
}

std::unique_ptr<const Pipeline> FloydPipeline::Load(const ModelDirectory& directory,
                                                    FileParameters::Options options) {
  const c10::InferenceMode inference;
  std::unique_ptr<FloydPipeline> pipeline(new FloydPipeline);
  const ModelInfo info = Describe(directory);
  pipeline->LoadParts(directory, info, std::make_shared<const FloydText>(directory, options), options);
  return pipeline;
}

void FloydPipeline::LoadParts(const ModelDirectory& directory, ModelInfo info,
                              std::shared_ptr<const FloydText> text, FileParameters::Options options) {
  info_ = std::move(info);
  info_.revision = directory.Revision(options.precision);
  device_ = options.device;
  sampler_config_ = directory.ReadSamplerConfig();
  text_ = std::move(text);
  FileParameters weights = directory.ComponentWeights(kFloydUNet, options);
  unet_ =
      std::make_unique<const UNet>(Scope(weights), UNetConfig::From(directory.ComponentConfig(kFloydUNet)));
  weights.ExpectAllTaken();
}

Conditioning FloydPipeline::Condition(const PictureRequest& request, at::IntArrayRef) const {
  Conditioning conditioning;
  conditioning.guided_channels = kFloydColours;
  const auto row = [&](const std::string& prompt) {
    conditioning.rows.push_back({{Condition::kText, text_->Encode(prompt, conditioning.tokens_cut)}});
  };
  if (request.guidance > 1) {  // below, the reference guides nothing
    conditioning.guidance = request.Guided();
    row(request.negative_prompt.value_or(""));
  }
  row(request.prompt);
  return conditioning;
}

Start FloydPipeline::Begin(const Source& source, const PictureRequest&, at::IntArrayRef shape,
                           NoiseSource& noise) const {
  ExpectPictures(source);
  Start start;
  start.from_noise = !source.defined();
  if (source.defined()) start.x0 = Encode(source.picture, noise);
  start.noise = noise.Draw(shape).to(device());
  if (source.mask.defined()) {
    start.kept = source.Kept();
    start.kept_clean = true;
  }
  return start;
}

ModelInfo FloydEnlarger::Describe(const ModelDirectory& directory) {
  if (directory.text_of().empty() && !directory.HasComponent(kFloydTextEncoder)) {
    throw UnsupportedError(directory.ComponentPath(kFloydTextEncoder) +
                           ": there is none; a model without a text encoder of its own is served in a "
                           "cascade after an IFPipeline, whose text encoder reads its prompts");
  }
  const UNetConfig unet = FloydUNetOf(directory, 2 * kFloydColours, "x and the small picture");
  const Config config = directory.ComponentConfig(kFloydUNet);
  if (!unet.level_class) config.Unsupported("class_embed_type", "\"timestep\": the small picture's noise");
  ModelInfo info = DescribeFloyd(directory, unet, kFloydEnlargerDefaults);
  info.enlargement = kFloydEnlargement;
  if (!directory.text_of().empty()) {
    const int64_t small =
        ModelDirectory(directory.text_of()).ComponentConfig(kFloydUNet).Int("sample_size", 64);
    if (small < 1 || unet.sample_size % small != 0 || unet.sample_size == small)
      config.Unsupported("sample_size", "a multiple of the first stage's, " + std::to_string(small));
    info.enlargement = unet.sample_size / small;
  }
  if (unet.sample_size % info.enlargement != 0)
    config.Unsupported("sample_size", "a multiple of " + std::to_string(info.enlargement));
  info.size_multiple = std::max(info.size_multiple, info.enlargement);
  const SamplerConfig noising =
      SamplerConfig::From(directory.ComponentConfig(kFloydNoising, kFloydSchedulerFile));
  info.max_noise_level = noising.train_steps - 1;
  info.default_noise_level = std::min(kFloydNoiseLevel, info.max_noise_level);
  return info;
}

std::unique_ptr<const Pipeline> FloydEnlarger::Load(const ModelDirectory& directory,
                                                    FileParameters::Options options) {
  const c10::InferenceMode inference;
  Describe(directory);  // which says better what is missing
  return LoadWith(directory, std::make_shared<const FloydText>(directory, options), options);
}

std::unique_ptr<const Pipeline> FloydEnlarger::LoadBeside(const ModelDirectory& directory,
                                                          FileParameters::Options options,
                                                          const Pipeline& first) {
  const c10::InferenceMode inference;
  return LoadWith(directory, dynamic_cast<const FloydPipeline&>(first).text(), options);
}

std::unique_ptr<const Pipeline> FloydEnlarger::LoadWith(const ModelDirectory& directory,
                                                        std::shared_ptr<const FloydText> text,
                                                        FileParameters::Options options) {
  std::unique_ptr<FloydEnlarger> pipeline(new FloydEnlarger);
  pipeline->LoadParts(directory, Describe(directory), std::move(text), options);
  pipeline->noise_alphas_ =
      AlphasCumprod(SamplerConfig::From(directory.ComponentConfig(kFloydNoising, kFloydSchedulerFile)));
  return pipeline;
}

Conditioning FloydEnlarger::Condition(const PictureRequest& request, at::IntArrayRef shape) const {
  if (request.noise_level < 0 || request.noise_level > info_.max_noise_level) {
    throw RequestError("noise_level must be 0 to " + std::to_string(info_.max_noise_level) +
                       ", given: " + std::to_string(request.noise_level));
  }
  Conditioning conditioning = FloydPipeline::Condition(request, shape);
  const at::Tensor level =
      at::full({}, request.noise_level, at::TensorOptions().dtype(at::kLong).device(device_));
  for (Told& row : conditioning.rows) row.Set(Condition::kLabel, level);
  return conditioning;
}

Start FloydEnlarger::Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
                           NoiseSource& noise) const {
  if (!source.defined() && !source.result.defined())
    throw RequestError("this model enlarges pictures: it needs a source picture");
  if (source.mask.defined() || source.depth.defined())
    throw RequestError("this model takes neither a mask nor a depth map");
  const at::Tensor small = source.result.defined() ? source.result : Encode(source.picture, noise);
  const at::Tensor large = FloydEnlarged(small.unsqueeze(0), shape.slice(1)).squeeze(0);
  Start start;
  start.noise = noise.Draw(shape).to(device_);
  const NoiseLevel level = NoiseLevel::Preserving(noise_alphas_[static_cast<size_t>(request.noise_level)],
                                                  static_cast<double>(request.noise_level));
  start.channels = NoisedTo(level, large, noise.DrawLike(large));
  return start;
}

at::Tensor FloydEnlarged(const at::Tensor& picture, at::IntArrayRef size) {
  return at::upsample_bilinear2d(picture, size, /*align_corners=*/true);
}

}  // namespace mind::diffusion
