#include "worker/diffusion/models/noised_clip_scorer.h"

#include <array>

#include "worker/diffusion/models/clip_scorer.h"

namespace mind::diffusion {
namespace {

// CLIP's own, of bytes.
constexpr std::array<double, 3> kByteMeans = {122.77093945, 116.74601272, 104.09373519};
constexpr std::array<double, 3> kByteDeviations = {68.50053285, 66.63215831, 70.32316309};
constexpr int64_t kMostNoisedSteps = 1'000'000;

// What the towers share. Layers are four times as wide inside.
template <typename Tower>
void ReadTower(const Config& config, const std::string& which, Tower& tower) {
  tower.heads = config.RequiredInt("n_head_" + which);
  const int64_t head = config.Int("n_head_state_" + which, 64);
  tower.layers = config.RequiredInt("n_xf_blocks_" + which);
  tower.projection = config.RequiredInt("n_embd");
  tower.activation = Activation::kGelu;
  if (tower.heads < 1 || tower.heads > 4096) config.Unsupported("n_head_" + which, "1 to 4096");
  if (head < 1 || head > 4096) config.Unsupported("n_head_state_" + which, "1 to 4096");
  if (tower.layers < 1 || tower.layers > 1024) config.Unsupported("n_xf_blocks_" + which, "1 to 1024");
  if (tower.projection < 1) config.Unsupported("n_embd", "1 or more");
  tower.width = tower.heads * head;
  tower.feed_forward = 4 * tower.width;
}

at::Tensor OfColours(const std::array<double, 3>& three, const at::Tensor& like) {
  return at::tensor(at::ArrayRef<double>(three), at::kFloat).to(like.device()).view({1, 3, 1, 1});
}

}  // namespace

NoisedClipConfig NoisedClipConfig::From(const Config& config) {
  NoisedClipConfig c;
  ReadTower(config, "text", c.text);
  ReadTower(config, "image", c.vision);
  c.text.vocabulary = config.RequiredInt("n_vocab");
  c.text.positions = config.Int("max_text_len", 77);
  c.vision.image_size = config.RequiredInt("image_size");
  c.vision.patch_size = config.RequiredInt("patch_size");
  c.vision.timesteps = config.Int("n_timesteps", 1000);
  c.scale = config.Double("logit_scale", 100);
  c.beta_schedule = config.String("beta_schedule", "squaredcos_cap_v2");
  if (c.text.vocabulary < 1) config.Unsupported("n_vocab", "1 or more");
  if (c.text.positions < 2 || c.text.positions > 4096) config.Unsupported("max_text_len", "2 to 4096");
  if (c.vision.image_size < 1 || c.vision.image_size > 4096) config.Unsupported("image_size", "1 to 4096");
  if (c.vision.patch_size < 1 || c.vision.image_size % c.vision.patch_size != 0)
    config.Unsupported("patch_size", "a divisor of image_size");
  if (c.vision.timesteps < 1 || c.vision.timesteps > kMostNoisedSteps)
    config.Unsupported("n_timesteps", "1 to 1000000");
  if (!(c.scale > 0)) config.Unsupported("logit_scale", "a positive number");
  return c;
}

NoisedClipScorer::NoisedClipScorer(const Scope& scope, const NoisedClipConfig& config)
    : scale_(config.scale), vision_(scope, config.vision) {}

at::Tensor NoisedClipScorer::Score(const DenoiserInput& input) const {
  const at::Tensor bytes = (input.sample + 1) * 127.5;
  const at::Tensor pixels = (bytes - OfColours(kByteMeans, bytes)) / OfColours(kByteDeviations, bytes);
  const at::Tensor picture = OfLengthOne(vision_(pixels, input.timestep).embedding.to(at::kFloat));
  return scale_ * (picture * input.told[Condition::kPooled]).sum(1);
}

}  // namespace mind::diffusion
