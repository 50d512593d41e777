// FLUX.2's network: a transformer over a prompt's tokens and a picture's, first in two streams, then in one,
// told the noise level once for all blocks. Sources: black-forest-labs/flux2 src/flux2/model.py; diffusers
// models/transformers/transformer_flux2.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_FLUX2_TRANSFORMER_H_
#define MIND_WORKER_DIFFUSION_MODELS_FLUX2_TRANSFORMER_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/modulation.h"
#include "worker/diffusion/models/stream_attention.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct Flux2Config {
  int64_t channels = 128;  // of a token, in and out: a patch of 2×2 latents, which x comes as
  int64_t layers = 8, single_layers = 48;
  int64_t heads = 48, head_width = 128;
  int64_t text_width = 15360;
  int64_t inner = 3 * 6144;  // of the gated layers
  double epsilon = 1e-6;     // of all norms
  bool guided = true;        // is told the guidance scale
  // Of a head's numbers, those turned by picture, row, column and place in the text.
  std::vector<int64_t> axes = {32, 32, 32, 32};
  double theta = 2000;

  int64_t width() const { return heads * head_width; }

  // transformer/config.json of Flux2Transformer2DModel. Throws ModelError.
  static Flux2Config From(const Config& config);
};

// silu(first half) · second half of one layer, and back; no biases.
class Flux2Mlp {
 public:
  Flux2Mlp(const Scope& scope, const Flux2Config& config);
  at::Tensor operator()(const at::Tensor& x) const { return out_(Gated(in_(x))); }
  // [.., 2·n] → [.., n]
  static at::Tensor Gated(const at::Tensor& x);

 private:
  Linear in_, out_;
};

// Of the parts of a modulation: shift, scale, gate of the attention; then of the layers behind it.
using Flux2Modulated = std::vector<at::Tensor>;

// Two streams, each with weights of its own, that meet in the attention.
class Flux2DoubleBlock {
 public:
  Flux2DoubleBlock(const Scope& scope, const Flux2Config& config);
  // picture [B, N, width] and text [B, M, width] are changed; the rotation is of the text's tokens, then the
  // picture's.
  void operator()(at::Tensor& picture, at::Tensor& text, const Flux2Modulated& of_picture,
                  const Flux2Modulated& of_text, const Rotation& rotation) const;

 private:
  at::Tensor Normed(const at::Tensor& x, const at::Tensor& shift, const at::Tensor& scale) const;

  double epsilon_;
  AttentionStream picture_, text_;
  Flux2Mlp picture_mlp_, text_mlp_;
};

// Attention and gated layer side by side, of one stream and of one product.
class Flux2SingleBlock {
 public:
  Flux2SingleBlock(const Scope& scope, const Flux2Config& config);
  // x [B, M + N, width] → as x
  at::Tensor operator()(const at::Tensor& x, const Flux2Modulated& m, const Rotation& rotation) const;

 private:
  int64_t heads_, head_width_;
  double epsilon_;
  Linear in_, out_;  // queries, keys, values, both halves of the gated layer; what was seen, that layer
  RmsNorm norm_q_, norm_k_;
};

// x is [B, channels, h, w], a token a place. Told kText [B, M, text_width]; kGuidance [B, 256] if it is
// guided; and kReference [B, R, channels] with kReferencePlaces [B, R, 4] or neither. Tokens go through in
// float32 whatever the layers compute in. Immutable after construction; any thread may call.
class Flux2Transformer : public Denoiser {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  Flux2Transformer(const Scope& scope, const Flux2Config& config);

  at::Tensor operator()(const DenoiserInput& input) const override;

  // What all layers are told, [B, width]: timestep float [B] in training steps, guidance as above.
  at::Tensor Vector(const at::Tensor& timestep, const at::Tensor& guidance) const;
  // Tokens [B, N, channels] at `places` [B, N, 4], the text's in a row from the origin → float [B, N,
  // channels].
  at::Tensor OfTokens(const at::Tensor& tokens, const at::Tensor& places, const at::Tensor& text,
                      const at::Tensor& vector) const;

  const Flux2Config& config() const { return config_; }

 private:
  Flux2Config config_;
  Rotary rotary_;
  Linear picture_in_, text_in_;
  TimestepMlp time_in_;
  std::optional<TimestepMlp> guidance_in_;
  Modulation of_picture_, of_text_, of_single_;
  std::vector<Flux2DoubleBlock> blocks_;
  std::vector<Flux2SingleBlock> single_blocks_;
  Modulation modulation_out_;  // scale, shift
  Linear out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_FLUX2_TRANSFORMER_H_
