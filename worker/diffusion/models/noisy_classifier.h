// A classifier of noisy pictures, half a UNet: its gradient leads a picture towards a class.
// Dhariwal & Nichol 2021, sec. 4; reference: openai/guided-diffusion EncoderUNetModel.
#ifndef MIND_WORKER_DIFFUSION_MODELS_NOISY_CLASSIFIER_H_
#define MIND_WORKER_DIFFUSION_MODELS_NOISY_CLASSIFIER_H_

#include <cstdint>
#include <optional>

#include "worker/diffusion/models/scorer.h"
#include "worker/diffusion/models/unet_trunk.h"
#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

struct NoisyClassifierConfig {
  enum class Pool { kAttention, kMean };

  UNetConfig trunk;  // its way down and its middle
  int64_t head_width = 64;
  int64_t classes = 1000;
  Pool pool = Pool::kAttention;

  // The options of its script_util.py (classifier_width …), with "in_channels", "num_classes",
  // "num_head_channels" and "channel_mult" where they are not 3, 1000, 64 and those of the size. Throws
  // ModelError.
  static NoisyClassifierConfig From(const Config& config);
};

// The published file's tensors by the names that NoisyClassifier asks for.
NamedTensors FromGuidedDiffusionClassifier(const NamedTensors& tensors, const NoisyClassifierConfig& config);

// The score is the log-probability of the class (kLabel).
class NoisyClassifier : public Scorer {
 public:
  NoisyClassifier(const Scope& scope, const NoisyClassifierConfig& config);

  bool sees_clean() const override { return false; }
  int64_t side() const override;
  at::Tensor Score(const DenoiserInput& input) const override;

  // float [B, classes]
  at::Tensor Logits(const DenoiserInput& input) const;

 private:
  // Attention of the mean of all places over those and itself, as CLIP's.
  struct AttentionPool {
    AttentionPool(const Scope& scope, int64_t channels, int64_t places, int64_t classes);
    at::Tensor operator()(const at::Tensor& x, int64_t heads) const;

    at::Tensor positions, qkv_weight, qkv_bias, out_weight, out_bias;
  };

  NoisyClassifierConfig config_;
  UNetTrunk trunk_;
  GroupNorm norm_;
  std::optional<AttentionPool> attention_;
  std::optional<Conv2d> mean_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_NOISY_CLASSIFIER_H_
