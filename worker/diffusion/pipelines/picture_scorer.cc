#include "worker/diffusion/pipelines/picture_scorer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/clip_scorer.h"
#include "worker/diffusion/models/noisy_classifier.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/pipelines/picture_encoder.h"
#include "worker/diffusion/samplers/noise_levels.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/parametrization.h"

namespace mind::diffusion {
namespace {

constexpr char kScorerFolder[] = "scorer", kScorerPixels[] = "preprocessor_config.json";
constexpr char kClip[] = "clip", kClassifier[] = "EncoderUNetModel";
constexpr int64_t kClipColours = 3;

bool IsClip(const Config& config) {
  const std::string kind = config.String("model_type", ""), made_as = config.String("_class_name", "");
  if (kind != kClip && made_as != kClassifier) {
    config.Unsupported(kind.empty() ? "_class_name" : "model_type",
                       "model_type \"clip\", or _class_name \"EncoderUNetModel\"");
  }
  return kind == kClip;
}

// Of one of a CLIPModel's towers.
Config TowerConfig(const Config& config, const std::string& key) {
  if (config.Unset(key) || !config.at(key).is_object()) config.Unsupported(key, "the tower's configuration");
  return Config(config.at(key), config.name() + ", " + key);
}

struct ClipConfigs {
  ClipTextConfig text;
  ClipVisionConfig vision;
};

ClipConfigs ClipConfigsOf(const Config& config) {
  ClipConfigs c{ClipTextConfig::From(TowerConfig(config, "text_config")),
                ClipVisionConfig::From(TowerConfig(config, "vision_config"))};
  c.text.projection = c.vision.projection = config.Int("projection_dim", c.vision.projection);
  if (c.text.projection < 1) config.Unsupported("projection_dim", "1 or more");
  return c;
}

ClipSight SightOf(const ModelDirectory& directory, const ClipVisionConfig& vision) {
  ClipPreprocessing pixels;
  pixels.shorter_side = pixels.crop = vision.image_size;
  if (IsFile(directory.ComponentPath(kScorerFolder) + "/" + kScorerPixels)) {
    const Config config = directory.ComponentConfig(kScorerFolder, kScorerPixels);
    pixels = ClipPreprocessing::From(config);
    if (pixels.crop != vision.image_size) config.Unsupported("crop_size", "vision_config's image_size");
  }
  return {.shorter_side = pixels.shorter_side,
          .side = pixels.crop,
          .mean = pixels.mean,
          .deviation = pixels.deviation};
}

}  // namespace

void PictureScorer::Describe(const ModelDirectory& directory, const SamplerConfig& sampler, int64_t channels,
                             ModelInfo& info) {
  if (!directory.HasComponent(kScorerFolder)) return;
  const Config config = directory.ComponentConfig(kScorerFolder);
  if (sampler.form != NetworkForm::kDiscrete || sampler.continuous_timesteps) {
    throw UnsupportedError(directory.ComponentPath(kScorerFolder) +
                           ": a scorer leads models that were trained on discrete noise levels only");
  }
  if (IsClip(config)) {
    ClipConfigsOf(config);
    info.scorer = {.kind = ScorerKind::kText};
    return;
  }
  const NoisyClassifierConfig classifier = NoisyClassifierConfig::From(config);
  if (classifier.trunk.in_channels != channels)
    config.Unsupported("in_channels", "the model's own, " + std::to_string(channels));
  info.scorer = {.kind = ScorerKind::kClass, .class_count = classifier.classes};
}

std::unique_ptr<const PictureScorer> PictureScorer::Load(const ModelDirectory& directory,
                                                         const SamplerConfig& sampler,
                                                         FileParameters::Options options) {
  if (!directory.HasComponent(kScorerFolder)) return nullptr;
  // Gradients cannot be taken through weights that were made under inference mode.
  const c10::InferenceMode outside(false);
  options.precision = Precision::kFloat32;  // precision.h
  const Config config = directory.ComponentConfig(kScorerFolder);
  std::unique_ptr<PictureScorer> scorer(new PictureScorer);
  scorer->sampler_ = sampler;
  scorer->device_ = options.device;
  for (const double sigma : TrainingSigmas(sampler)) scorer->log_sigmas_.push_back(std::log(sigma));
  NamedTensors stored = ReadComponent(directory.ComponentPath(kScorerFolder));
  if (!IsClip(config)) {
    const NoisyClassifierConfig classifier = NoisyClassifierConfig::From(config);
    FileParameters weights(FromGuidedDiffusionClassifier(stored, classifier), options);
    scorer->network_ = std::make_unique<NoisyClassifier>(Scope(weights), classifier);
    scorer->class_count_ = classifier.classes;
    weights.ExpectAllTaken();
    return scorer;
  }
  const ClipConfigs clip = ClipConfigsOf(config);
  FileParameters weights(std::move(stored), options);
  scorer->tokenizer_ = MakeTokenizer(directory.ComponentPath(kScorerFolder));
  scorer->text_ = std::make_unique<ClipText>(Scope(weights), clip.text);
  scorer->network_ =
      std::make_unique<ClipScorer>(Scope(weights), clip.vision, SightOf(directory, clip.vision));
  weights.ExpectAllTaken();
  ExpectSameVocabulary(*scorer->tokenizer_, *scorer->text_, directory.ComponentPath(kScorerFolder));
  return scorer;
}

void PictureScorer::Ask(const PictureScorer* scorer, const PictureRequest& request, at::IntArrayRef shape,
                        Conditioning& conditioning) {
  const auto& [scale, target] = request.scorer;
  if (scale == 0) return;
  if (scorer == nullptr) throw RequestError("this model has no scorer");
  if (const int64_t side = scorer->network_->side(); side > 0 && (shape[1] != side || shape[2] != side)) {
    throw RequestError("this model's scorer sees pictures of " + std::to_string(side) + "x" +
                       std::to_string(side) + " pixels only, not of " + std::to_string(shape[2]) + "x" +
                       std::to_string(shape[1]));
  }
  conditioning.scoring = {.scorer = scorer, .scale = scale};
  if (scorer->text_ != nullptr) {
    const std::string& text = target.empty() ? request.prompt : target;
    if (text.empty()) throw RequestError("this model's scorer needs a text to lead to");
    conditioning.scoring.target.Set(Condition::kPooled, scorer->Embedded(text));
    return;
  }
  int64_t label = request.label.value_or(-1);
  if (!target.empty()) {
    const auto read = std::from_chars(target.data(), target.data() + target.size(), label);
    if (read.ec != std::errc() || read.ptr != target.data() + target.size()) label = -1;
  }
  if (label < 0 || label >= scorer->class_count_) {
    throw RequestError("this model's scorer needs a class to lead to, 0 to " +
                       std::to_string(scorer->class_count_ - 1));
  }
  const auto options = at::TensorOptions().dtype(at::kLong).device(scorer->device_);
  conditioning.scoring.target.Set(Condition::kLabel, at::full({}, label, options));
}

at::Tensor PictureScorer::Embedded(const std::string& text) const {
  const std::vector<int64_t> ids = tokenizer_->Encode(text);
  const auto room = static_cast<size_t>(text_->positions());
  if (ids.size() > room) {
    throw RequestError("the text for this model's scorer is too long: leave out " +
                       std::to_string(ids.size() - room) + " tokens (about as many words)");
  }
  const at::Tensor row = at::tensor(tokenizer_->EncodePadded(text, room), at::kLong).unsqueeze(0).to(device_);
  return OfLengthOne(text_->States(row, {}).pooled.squeeze(0).to(at::kFloat));
}

NoiseLevel PictureScorer::LevelOf(double timestep) const {
  const double last = static_cast<double>(log_sigmas_.size() - 1);
  const double sigma = std::exp(Interpolate(log_sigmas_, std::clamp(timestep, 0.0, last)));
  return NoiseLevel::PreservingOfSigma(sigma, timestep);
}

at::Tensor PictureScorer::Seen(const at::Tensor& x, double timestep, const at::Tensor& answer) const {
  return network_->sees_clean() ? Estimate(sampler_, answer, x, LevelOf(timestep)).x0 : x;
}

at::Tensor PictureScorer::Moved(const at::Tensor& answer, double timestep, const at::Tensor& gradient,
                                double scale) const {
  const NoiseLevel level = LevelOf(timestep);
  double by = scale * (network_->sees_clean() ? level.alpha : 1);
  switch (sampler_.prediction) {
    case Prediction::kEpsilon:
      by *= -level.sigma;
      break;
    case Prediction::kVelocity:
      by *= -level.sigma / level.alpha;
      break;
    case Prediction::kSample:
      by *= level.sigma * level.sigma / level.alpha;
      break;
  }
  const int64_t channels = gradient.size(0);
  const at::Tensor moved = answer.slice(0, 0, channels) + by * gradient;
  return answer.size(0) == channels ? moved : at::cat({moved, answer.slice(0, channels)});
}

}  // namespace mind::diffusion
