// T5's text encoder, version 1.1: relative positions alone, gated feed-forward layers.
// Sources: Raffel et al. 2020, "Exploring the Limits of Transfer Learning …", sec. 2.1; Shazeer 2020, "GLU
// Variants Improve Transformer"; transformers models/t5/modeling_t5.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_T5_TEXT_H_
#define MIND_WORKER_DIFFUSION_MODELS_T5_TEXT_H_

#include <vector>

#include "worker/diffusion/models/gated_mlp.h"
#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/rms_norm.h"
#include "worker/diffusion/models/text_encoder.h"

namespace mind::diffusion {

struct T5TextConfig {
  int64_t vocabulary = 32128;
  int64_t width = 0;         // d_model
  int64_t head_width = 0;    // d_kv; all heads together may be wider or narrower than the states
  int64_t feed_forward = 0;  // d_ff
  int64_t layers = 0;
  int64_t heads = 0;
  int64_t buckets = 32;         // of distances between tokens, half of them for each direction
  int64_t most_distance = 128;  // beyond which all are one
  double epsilon = 1e-6;

  // A text_encoder/config.json of model_type "t5". Throws ModelError.
  static T5TextConfig From(const Config& config);
};

// The states go through in float32 whatever the layers compute in: they grow beyond what sixteen bits hold.
class T5TextLayer {
 public:
  T5TextLayer(const Scope& scope, const T5TextConfig& config);
  // x float [B, N, width]; bias [B or 1, heads, N, N] of attention's logits.
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& bias) const;

 private:
  int64_t heads_;
  double unscaled_;  // what undoes attention's own scaling of logits: T5 has none
  RmsNorm attention_norm_;
  Linear q_, k_, v_, o_;
  RmsNorm feed_forward_norm_;
  GatedMlp feed_forward_;
};

class T5Text : public TextEncoder {
 public:
  T5Text(const Scope& scope, const T5TextConfig& config);

  // Tokens see all tokens.
  TextStates States(const at::Tensor& ids, const std::vector<InsertedVectors>& inserted) const override;
  using TextEncoder::Encode;
  // Tokens see those that the mask, int64 [B, N], has a 1 for; states of the others are made all the same.
  // → float [B, N, width], normed.
  at::Tensor Encode(const at::Tensor& ids, const at::Tensor& mask) const;
  at::Tensor Norm(const at::Tensor& states) const override { return final_norm_(states); }
  int64_t width() const override { return config_.width; }
  int64_t positions() const override;  // any number
  int64_t vocabulary() const override { return config_.vocabulary; }
  int64_t max_skip() const override { return 0; }

  // float [1, heads, length, length]: what is added to attention's logits of a key seen from a query.
  at::Tensor PositionBias(int64_t length, at::Device device) const;

 private:
  std::vector<at::Tensor> Hidden(at::Tensor x, const at::Tensor& bias) const;

  T5TextConfig config_;
  Embedding tokens_;
  Embedding distances_;  // of the first layer, for all
  std::vector<T5TextLayer> layers_;
  RmsNorm final_norm_;
};

// Distances key - query, int64 of any shape, by bucket: the lower half of them for keys that come before;
// one each for short distances, then logarithmically wider, the last for all from `most_distance` on.
at::Tensor T5Buckets(const at::Tensor& distances, int64_t buckets, int64_t most_distance);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_T5_TEXT_H_
