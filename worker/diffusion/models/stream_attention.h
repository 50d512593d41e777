// One attention over several streams of tokens, such as a prompt's and a picture's: each has projections of
// its own, and its tokens see those of all.
// Sources: Esser et al. 2024, "Scaling Rectified Flow Transformers …", sec. 4 and 5.3.2 (joint attention, the
// norm of queries and keys); diffusers models/attention_processor.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_STREAM_ATTENTION_H_
#define MIND_WORKER_DIFFUSION_MODELS_STREAM_ATTENTION_H_

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <vector>

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/rms_norm.h"
#include "worker/diffusion/models/rotary.h"

namespace mind::diffusion {

// Queries, keys and values of some tokens.
struct Projected {
  at::Tensor q, k, v;  // [B, N, heads, d] each
};

// The projections of one stream. Immutable after construction; any thread may call.
class AttentionStream {
 public:
  // What a network calls them.
  struct Names {
    std::string q, k, v, norm_q, norm_k, out;
  };
  // diffusers': of the picture or of all tokens, and of a second stream beside it.
  static Names Main() { return {"to_q", "to_k", "to_v", "norm_q", "norm_k", "to_out.0"}; }
  static Names Added() {
    return {"add_q_proj", "add_k_proj", "add_v_proj", "norm_added_q", "norm_added_k", "to_add_out"};
  }

  struct Shape {
    int64_t width = 0;  // of tokens
    int64_t heads = 0, head_width = 0;
    bool bias = true;       // of queries, keys and values
    bool normed = true;     // queries and keys, each head by its RMS
    double epsilon = 1e-6;  // of that
    bool out = true;        // whether what was seen is projected back here
    bool out_bias = true;
  };

  AttentionStream(const Scope& scope, const Names& names, const Shape& shape);

  // x [B, N, width]
  Projected operator()(const at::Tensor& x) const;
  // What its tokens have seen, [B, N, heads·d] → [B, N, width]. REQUIRES: shape.out
  at::Tensor Out(const at::Tensor& seen) const { return (*out_)(seen); }

 private:
  Shape shape_;
  Linear q_, k_, v_;
  std::optional<RmsNorm> norm_q_, norm_k_;
  std::optional<Linear> out_;
};

// The tokens of several streams one after the other. REQUIRES: at least one, all of the same heads.
Projected Joined(const std::vector<Projected>& streams);

// What each token sees of all, [B, N, heads·d], in the type of the values. Queries and keys are turned by
// `rotation`, if there is one, first (neighbours are pairs); `mask` as MultiHeadAttention's.
at::Tensor Seen(const Projected& tokens, const std::optional<Rotation>& rotation,
                const at::Tensor& mask = {});

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_STREAM_ATTENTION_H_
