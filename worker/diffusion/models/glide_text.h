// GLIDE's text transformer. Source: Nichol et al. 2022, sec. 4; openai/glide-text2im text2im_model.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_GLIDE_TEXT_H_
#define MIND_WORKER_DIFFUSION_MODELS_GLIDE_TEXT_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/clip_text.h"

namespace mind::diffusion {

struct GlideTextConfig {
  int64_t vocabulary = 50257;
  int64_t positions = 128;  // text_ctx: prompts are padded to this by an embedding of their own
  int64_t width = 512;
  int64_t layers = 16;
  int64_t heads = 8;
  bool final_norm = true;
  double epsilon = 1e-5;
  Activation activation = Activation::kGelu;

  // The options of model_creation.py, and two of ours for models trained elsewhere: "xf_activation" and
  // "xf_norm_eps" (Taichu-GLIDE on MindSpore: "gelu-approximate" and 1e-7). Throws ModelError.
  static GlideTextConfig From(const Config& config);
};

class GlideText : public TextEncoder {
 public:
  GlideText(const Scope& scope, const GlideTextConfig& config);

  // ids without padding; the states are [B, positions, width].
  TextStates States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const override;
  at::Tensor Norm(const at::Tensor& states) const override {
    return final_norm_ ? (*final_norm_)(states) : states;
  }
  int64_t width() const override { return config_.width; }
  int64_t positions() const override { return config_.positions; }
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t max_skip() const override { return 0; }

 private:
  GlideTextConfig config_;
  Embedding tokens_;
  at::Tensor positional_, padding_;  // [positions, width]
  std::vector<ClipTextLayer> layers_;
  std::optional<LayerNorm> final_norm_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_GLIDE_TEXT_H_
