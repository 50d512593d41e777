// The language models whose states newer denoisers are told: Qwen 3, and what reads text of Qwen 2.5-VL.
// Sources: Qwen3 Technical Report, 2025, sec. 2 (norm of queries and keys, grouped queries, no biases); Bai
// et al. 2025, "Qwen2.5-VL", sec. 2.1; Ainslie et al. 2023, "GQA"; transformers
// models/qwen3/modeling_qwen3.py, models/qwen2_5_vl/modeling_qwen2_5_vl.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_QWEN_TEXT_H_
#define MIND_WORKER_DIFFUSION_MODELS_QWEN_TEXT_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/gated_mlp.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/rms_norm.h"
#include "worker/diffusion/models/rotary.h"
#include "worker/diffusion/models/text_encoder.h"

namespace mind::diffusion {

struct QwenTextConfig {
  int64_t vocabulary = 0;
  int64_t width = 0;
  int64_t feed_forward = 0;
  int64_t layers = 0;        // fewer than the file has: the others are left out, and their weights not read
  int64_t heads = 0;         // of queries
  int64_t key_heads = 0;     // of keys and values; each serves as many of the queries' in a row
  int64_t head_width = 0;    // all heads together may be wider or narrower than the states
  bool normed_heads = true;  // queries and keys, each head by its RMS: Qwen 3
  bool biased = false;       // queries, keys and values: Qwen 2.5
  double epsilon = 1e-6;
  double theta = 1e6;             // of the rotary positions
  std::vector<int64_t> sections;  // of those, an axis each (time, line, column); empty: there is one axis

  // A text_encoder/config.json of model_type "qwen3" or "qwen2_5_vl". Throws ModelError.
  static QwenTextConfig From(const Config& config);
};

// The states go through in float32 whatever the layers compute in: some of their numbers grow far beyond the
// others.
class QwenTextLayer {
 public:
  QwenTextLayer(const Scope& scope, const QwenTextConfig& config);
  // x float [B, N, width]; bias [B or 1, 1, N, N] of attention's logits.
  at::Tensor operator()(const at::Tensor& x, const Rotation& rotation, const at::Tensor& bias) const;

 private:
  at::Tensor Attention(const at::Tensor& x, const Rotation& rotation, const at::Tensor& bias) const;

  int64_t heads_, key_heads_, head_width_;
  RmsNorm attention_norm_, feed_forward_norm_;
  Linear q_, k_, v_, o_;
  std::optional<RmsNorm> q_norm_, k_norm_;
  GatedMlp feed_forward_;
};

// Its parameters' names are those of the language model alone (QwenTextPart of names/qwen_names.h).
class QwenText : public TextEncoder {
 public:
  QwenText(const Scope& scope, const QwenTextConfig& config);

  // Tokens see themselves and those before them. `pooled` is undefined.
  TextStates States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const override;
  // The same of padded rows: those that the mask, int64 [B, N], has a 0 for are seen by none; states of
  // theirs are made all the same. Places are counted from the first token, padding or not.
  TextStates PaddedStates(const at::Tensor& ids, const at::Tensor& mask) const;
  at::Tensor Norm(const at::Tensor& states) const override { return final_norm_(states); }
  int64_t width() const override { return config_.width; }
  int64_t positions() const override;  // any number
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t max_skip() const override { return 0; }

  // What States is made of, for whoever puts pictures among the tokens. Ids int64 [B, N] → float [B, N,
  // width].
  at::Tensor Embed(const at::Tensor& ids) const;
  // Embedded tokens, as they are and after each layer. Positions int64 [N, axes()] or [B, N, axes()]; an
  // undefined mask hides nothing.
  std::vector<at::Tensor> Through(at::Tensor x, const at::Tensor& positions, const at::Tensor& mask) const;
  int64_t axes() const { return rotary_.axes(); }

 private:
  at::Tensor PlacesOf(const at::Tensor& ids) const;

  QwenTextConfig config_;
  Rotary rotary_;
  Embedding tokens_;
  std::vector<QwenTextLayer> layers_;
  RmsNorm final_norm_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_QWEN_TEXT_H_
