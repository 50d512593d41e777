// DiT: a transformer over patches of the latent instead of a UNet, conditioned on a class.
// Sources: Peebles & Xie 2023, sec. 3 (adaLN-Zero); diffusers models/transformers/dit_transformer_2d.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_DIFFUSION_TRANSFORMER_H_
#define MIND_WORKER_DIFFUSION_MODELS_DIFFUSION_TRANSFORMER_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/modulation.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct DiffusionTransformerConfig {
  int64_t in_channels = 4;
  int64_t out_channels = 8;  // twice in_channels where it predicts a variance too
  int64_t sample_size = 32;  // latent height and width it was trained at
  int64_t patch_size = 2;
  int64_t width = 1152;
  int64_t heads = 16;
  int64_t layers = 28;
  int64_t class_count = 1000;  // one more label, the last, means "no class"
  double epsilon = 1e-5;       // of the norm before the feed-forward layers
  double freq_shift = 1;       // of the sinusoids

  // transformer/config.json of diffusers, or the words of the original's constructor (_class_name "DiT").
  // Throws ModelError.
  static DiffusionTransformerConfig From(const Config& config);
};

// How the noise level and the class are told to a block. In diffusers' files every block has one of its own.
class AdaptiveNormEmbedding {
 public:
  AdaptiveNormEmbedding(const Scope& scope, const DiffusionTransformerConfig& config);
  // timestep float [B], label int64 [B] → [B, width]
  at::Tensor operator()(const at::Tensor& timestep, const at::Tensor& label) const;

 private:
  double freq_shift_;
  TimestepMlp timestep_;
  Embedding label_;
};

class DiffusionTransformerBlock {
 public:
  DiffusionTransformerBlock(const Scope& scope, const DiffusionTransformerConfig& config);
  // x [B, N, width], told [B, width] → [B, N, width]
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& told) const;

 private:
  int64_t heads_;
  double epsilon_;
  Modulation modulation_;
  Linear q_, k_, v_, out_, ff_in_, ff_out_;
};

class DiffusionTransformer : public Denoiser {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  DiffusionTransformer(const Scope& scope, const DiffusionTransformerConfig& config);

  at::Tensor operator()(const DenoiserInput& input) const override;

  const DiffusionTransformerConfig& config() const { return config_; }

 private:
  DiffusionTransformerConfig config_;
  at::Tensor patch_weight_, patch_bias_;
  at::Tensor positions_;                           // of the grid it was trained at
  std::vector<AdaptiveNormEmbedding> embeddings_;  // one a block, or one for all
  std::vector<DiffusionTransformerBlock> blocks_;
  Modulation modulation_out_;
  Linear out_;
};

// Where each patch of a rows×columns grid is: float [rows·columns, width], sines and cosines of the column,
// then of the row, counted as if the grid were base×base. Source: diffusers embeddings.py
// get_2d_sincos_pos_embed. REQUIRES: width % 4 == 0
at::Tensor GridEmbedding(int64_t rows, int64_t columns, int64_t width, int64_t base);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_DIFFUSION_TRANSFORMER_H_
