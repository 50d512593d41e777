#include "worker/training/picture_classifier.h"

#include "worker/diffusion/weights/parameters.h"

namespace mind::training {
namespace {

using diffusion::Config;

constexpr double kEpsilon = 1e-5;
constexpr char kClass[] = "MindPictureClassifier";

}  // namespace

PictureClassifierConfig PictureClassifierConfig::From(const Config& config) {
  PictureClassifierConfig c;
  if (config.String("_class_name", kClass) != kClass) config.Unsupported("_class_name", kClass);
  c.extent = config.Int("extent", c.extent);
  if (!config.Unset("channels")) c.channels = config.RequiredInts("channels");
  c.groups = config.Int("groups", c.groups);
  if (!config.Unset("things")) c.things = config.RequiredStrings("things");
  if (!config.Unset("colours")) c.colours = config.RequiredStrings("colours");
  if (c.channels.empty() || c.channels.size() > 8) config.Unsupported("channels", "1 to 8 levels");
  for (const int64_t channels : c.channels) {
    if (channels < 1 || channels > 4096) config.Unsupported("channels", "1 to 4096 each");
  }
  if (c.extent < 1 || c.extent > 1024 || c.extent % (int64_t{1} << (c.channels.size() - 1)) != 0)
    config.Unsupported("extent", "at most 1024, halved once for every level but the first");
  return c;
}

nlohmann::json PictureClassifierConfig::ToJson() const {
  return {{"_class_name", kClass}, {"extent", extent}, {"channels", channels},
          {"groups", groups},      {"things", things}, {"colours", colours}};
}

PictureClassifier::PictureClassifier(const diffusion::Scope& scope, PictureClassifierConfig config)
    : config_(std::move(config)),
      in_(scope / "conv_in", 3, config_.channels.front()),
      norm_(scope / "norm", config_.groups, config_.channels.back(), kEpsilon),
      things_(scope / "things", config_.channels.back(), static_cast<int64_t>(config_.things.size())),
      colours_(scope / "colours", config_.channels.back(), static_cast<int64_t>(config_.colours.size())) {
  const diffusion::ResnetOptions options{.groups = config_.groups, .epsilon = kEpsilon};
  int64_t before = config_.channels.front();
  for (size_t level = 0; level < config_.channels.size(); ++level) {
    if (level > 0) halvings_.emplace_back(scope / "halvings" / (level - 1), before, 1);
    blocks_.emplace_back(scope / "blocks" / level, before, config_.channels[level], options);
    before = config_.channels[level];
  }
}

std::vector<at::Tensor> PictureClassifier::Levels(const at::Tensor& pictures) const {
  std::vector<at::Tensor> levels;
  at::Tensor x = in_(pictures);
  for (size_t level = 0; level < blocks_.size(); ++level) {
    if (level > 0) x = halvings_[level - 1](x);
    x = blocks_[level](x, {});
    levels.push_back(x);
  }
  return levels;
}

PictureClassifier::Output PictureClassifier::operator()(const at::Tensor& pictures) const {
  Output output;
  output.features = at::silu(norm_(Levels(pictures).back())).mean({2, 3});
  output.things = things_(output.features);
  output.colours = colours_(output.features);
  return output;
}

std::unique_ptr<const PictureClassifier> ReadClassifier(const std::string& folder, at::Device device) {
  const at::NoGradGuard no_grad;
  diffusion::FileParameters weights(diffusion::ReadComponent(folder), {.device = device});
  auto classifier = std::make_unique<const PictureClassifier>(
      diffusion::Scope(weights), PictureClassifierConfig::From(Config::FromFile(folder + "/config.json")));
  weights.ExpectAllTaken();
  return classifier;
}

}  // namespace mind::training
