// What Qwen 2.5-VL sees pictures through: a transformer over patches, most of whose blocks look within
// windows of the picture, and what makes of each two by two patches a token of the language model. Sources:
// Bai et al. 2025, "Qwen2.5-VL", sec. 2.1.1; transformers models/qwen2_5_vl/modeling_qwen2_5_vl.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_QWEN_VISION_H_
#define MIND_WORKER_DIFFUSION_MODELS_QWEN_VISION_H_

#include <ATen/ATen.h>

#include <vector>

#include "worker/diffusion/models/gated_mlp.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/rms_norm.h"
#include "worker/diffusion/models/rotary.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct QwenVisionConfig {
  int64_t layers = 32;
  int64_t width = 1280;
  int64_t feed_forward = 3420;
  int64_t heads = 16;
  int64_t out = 3584;                            // the language model's width
  int64_t patch = 14;                            // pixels each way
  int64_t merged = 2;                            // patches each way that become one token
  int64_t frames = 2;                            // that a patch spans; a picture is as many of itself
  int64_t window = 4;                            // tokens each way that a block sees at a time
  std::vector<int64_t> whole = {7, 15, 23, 31};  // blocks that see the whole picture

  int64_t numbers() const { return 3 * frames * patch * patch; }  // of a patch
  int64_t token() const { return patch * merged; }                // pixels each way

  // The "vision_config" of a text_encoder/config.json of model_type "qwen2_5_vl". Throws ModelError.
  static QwenVisionConfig From(const Config& config);
};

class QwenVisionBlock {
 public:
  QwenVisionBlock(const Scope& scope, const QwenVisionConfig& config);
  // x float [n, width], in windows of so many patches one after the other, each of which sees itself alone.
  at::Tensor operator()(const at::Tensor& x, const Rotation& rotation,
                        const std::vector<int64_t>& windows) const;

 private:
  int64_t heads_;
  RmsNorm attention_norm_, feed_forward_norm_;
  Linear qkv_, out_;
  GatedMlp feed_forward_;
};

// Its parameters are under transformers' names without what is before them ("visual."). Immutable after
// construction; any thread may call.
class QwenVision {
 public:
  QwenVision(const Scope& scope, const QwenVisionConfig& config);

  // Patches float [rows·columns, numbers()] of a picture, as QwenPatches has them → its tokens, float
  // [rows·columns / merged², out], line by line. REQUIRES: merged divides rows and columns.
  at::Tensor operator()(const at::Tensor& patches, int64_t rows, int64_t columns) const;

  const QwenVisionConfig& config() const { return config_; }

 private:
  QwenVisionConfig config_;
  Rotary rotary_;
  Linear patch_in_;
  std::vector<QwenVisionBlock> blocks_;
  RmsNorm merged_norm_;
  Linear merged_in_, merged_out_;
};

// A picture float [3, H, W] as patches, [n, numbers()]: those of one token together, token by token line by
// line; of each the channels, frames, lines and columns. REQUIRES: a token's pixels divide H and W.
at::Tensor QwenPatches(const at::Tensor& picture, const QwenVisionConfig& config);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_QWEN_VISION_H_
