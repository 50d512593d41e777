#include "worker/diffusion/pipelines/picture_scorer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/clip_scorer.h"
#include "worker/diffusion/models/noised_clip_scorer.h"
#include "worker/diffusion/models/noisy_classifier.h"
#include "worker/diffusion/pipelines/decoded_scorer.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/pipelines/picture_encoder.h"
#include "worker/diffusion/samplers/noise_levels.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/samplers/parametrization.h"
#include "worker/diffusion/weights/names/glide_clip_names.h"

namespace mind::diffusion {
namespace {

constexpr char kScorerFolder[] = "scorer", kVaeToScoreBy[] = "vae",
               kScorerPixels[] = "preprocessor_config.json";
constexpr int64_t kScorerColours = 3;
constexpr double kLeastFlowAlpha = 1e-6;  // of a flow, whose noisiest level has no picture in it
constexpr char kClip[] = "clip", kClassifier[] = "EncoderUNetModel", kNoisedClip[] = "GlideClip";

enum class ScorerNetwork { kClip, kNoisedClip, kClassifier };

ScorerNetwork ScorerNetworkOf(const Config& config) {
  const std::string made_as = config.String("_class_name", "");
  if (config.String("model_type", "") == kClip) return ScorerNetwork::kClip;
  if (made_as == kNoisedClip) return ScorerNetwork::kNoisedClip;
  if (made_as == kClassifier) return ScorerNetwork::kClassifier;
  config.Unsupported(config.Unset("model_type") ? "_class_name" : "model_type",
                     "model_type \"clip\", or _class_name \"EncoderUNetModel\" or \"GlideClip\"");
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

// What it was trained to see is what the model denoises.
void ExpectNoiseOf(const Config& config, const SamplerConfig& sampler, int64_t channels) {
  const NoisedClipConfig clip = NoisedClipConfig::From(config);
  if (channels != kScorerColours) {
    throw UnsupportedError(config.name() + ": a " + kNoisedClip +
                           " sees noised pictures in colour, not the " + std::to_string(channels) +
                           " channels that this model denoises");
  }
  if (clip.beta_schedule != sampler.beta_schedule)
    config.Unsupported("beta_schedule", "the model's own, " + sampler.beta_schedule);
  if (clip.vision.timesteps != sampler.train_steps)
    config.Unsupported("n_timesteps", "the model's own, " + std::to_string(sampler.train_steps));
}

}  // namespace

void PictureScorer::Describe(const ModelDirectory& directory, const SamplerConfig& sampler, int64_t channels,
                             ModelInfo& info) {
  if (!directory.HasComponent(kScorerFolder)) return;
  const Config config = directory.ComponentConfig(kScorerFolder);
  const bool flow = sampler.form == NetworkForm::kFlow;
  if ((sampler.form != NetworkForm::kDiscrete && !flow) || sampler.continuous_timesteps) {
    throw UnsupportedError(
        directory.ComponentPath(kScorerFolder) +
        ": a scorer leads flows and models that were trained on discrete noise levels only");
  }
  const ScorerNetwork kind = ScorerNetworkOf(config);
  if (kind == ScorerNetwork::kClip) ClipConfigsOf(config);
  if (kind == ScorerNetwork::kNoisedClip) ExpectNoiseOf(config, sampler, channels);
  if (kind != ScorerNetwork::kClassifier) {
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
  return LoadNetworks(directory, sampler, options);
}

std::unique_ptr<const PictureScorer> PictureScorer::LoadDecoded(const ModelDirectory& directory,
                                                                const SamplerConfig& sampler,
                                                                FileParameters::Options options,
                                                                int64_t tile) {
  if (!directory.HasComponent(kScorerFolder)) return nullptr;
  const c10::InferenceMode outside(false);
  options.precision = Precision::kFloat32;
  std::unique_ptr<PictureScorer> scorer = LoadNetworks(directory, sampler, options);
  if (!scorer->network_->sees_clean()) return scorer;  // it sees latents as the denoiser does
  FileParameters weights = directory.ComponentWeights(kVaeToScoreBy, options);
  auto autoencoder = std::make_unique<AutoencoderKl>(
      Scope(weights), AutoencoderConfig::From(directory.ComponentConfig(kVaeToScoreBy)));
  scorer->network_ =
      std::make_unique<DecodedScorer>(std::move(scorer->network_), std::move(autoencoder), tile);
  return scorer;
}

std::unique_ptr<PictureScorer> PictureScorer::LoadNetworks(const ModelDirectory& directory,
                                                           const SamplerConfig& sampler,
                                                           FileParameters::Options options) {
  // Gradients cannot be taken through weights that were made under inference mode.
  const c10::InferenceMode outside(false);
  options.precision = Precision::kFloat32;  // precision.h
  const Config config = directory.ComponentConfig(kScorerFolder);
  std::unique_ptr<PictureScorer> scorer(new PictureScorer);
  scorer->sampler_ = sampler;
  scorer->device_ = options.device;
  if (sampler.form == NetworkForm::kDiscrete) {
    for (const double sigma : TrainingSigmas(sampler)) scorer->log_sigmas_.push_back(std::log(sigma));
  }
  const std::string folder = directory.ComponentPath(kScorerFolder);
  const ScorerNetwork kind = ScorerNetworkOf(config);
  NamedTensors stored = kind == ScorerNetwork::kNoisedClip ? ReadGlideClip(folder) : ReadComponent(folder);
  if (kind == ScorerNetwork::kClassifier) {
    const NoisyClassifierConfig classifier = NoisyClassifierConfig::From(config);
    FileParameters weights(FromGuidedDiffusionClassifier(stored, classifier), options);
    scorer->network_ = std::make_unique<NoisyClassifier>(Scope(weights), classifier);
    scorer->class_count_ = classifier.classes;
    weights.ExpectAllTaken();
    return scorer;
  }
  FileParameters weights(std::move(stored), options);
  scorer->tokenizer_ = MakeTokenizer(folder);
  if (kind == ScorerNetwork::kNoisedClip) {
    const NoisedClipConfig clip = NoisedClipConfig::From(config);
    scorer->text_ = std::make_unique<ClipText>(Scope(weights), clip.text);
    scorer->network_ = std::make_unique<NoisedClipScorer>(Scope(weights), clip);
  } else {
    const ClipConfigs clip = ClipConfigsOf(config);
    scorer->text_ = std::make_unique<ClipText>(Scope(weights), clip.text);
    scorer->network_ =
        std::make_unique<ClipScorer>(Scope(weights), clip.vision, SightOf(directory, clip.vision));
  }
  weights.ExpectAllTaken();
  ExpectSameVocabulary(*scorer->tokenizer_, *scorer->text_, folder);
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
  if (sampler_.form == NetworkForm::kFlow) {
    const double told = timestep / static_cast<double>(sampler_.train_steps);
    const double sigma = sampler_.flow.inverted ? 1 - told : told;
    return {std::max(1 - sigma, kLeastFlowAlpha), sigma, timestep};
  }
  const double last = static_cast<double>(log_sigmas_.size() - 1);
  const double sigma = std::exp(Interpolate(log_sigmas_, std::clamp(timestep, 0.0, last)));
  return NoiseLevel::PreservingOfSigma(sigma, timestep);
}

at::Tensor PictureScorer::Seen(const at::Tensor& x, double timestep, const at::Tensor& answer) const {
  return network_->sees_clean() ? Estimate(sampler_, answer, x, LevelOf(timestep)).x0 : x;
}

at::Tensor PictureScorer::ByX(double timestep, const at::Tensor& gradient) const {
  return network_->sees_clean() ? gradient * LevelOf(timestep).alpha : gradient;
}

at::Tensor PictureScorer::Moved(const at::Tensor& answer, double timestep, const at::Tensor& by_x) const {
  const NoiseLevel level = LevelOf(timestep);
  double by = 0;
  if (sampler_.form == NetworkForm::kFlow) {
    by = (sampler_.flow.inverted ? 1 : -1) * level.sigma / level.alpha;
  } else {
    switch (sampler_.prediction) {
      case Prediction::kEpsilon:
        by = -level.sigma;
        break;
      case Prediction::kVelocity:
        by = -level.sigma / level.alpha;
        break;
      case Prediction::kSample:
        by = level.sigma * level.sigma / level.alpha;
        break;
    }
  }
  const int64_t channels = by_x.size(0);
  const at::Tensor moved = answer.slice(0, 0, channels) + by * by_x;
  return answer.size(0) == channels ? moved : at::cat({moved, answer.slice(0, channels)});
}

}  // namespace mind::diffusion
