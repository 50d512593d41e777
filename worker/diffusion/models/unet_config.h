// What a UNet's config.json says, checked: diffusers' UNet2DConditionModel and UNet2DModel are one network
// here.
#ifndef MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_H_
#define MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_H_

#include <cstdint>
#include <vector>

#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

enum class LevelKind {
  kPlain,           // residual blocks alone
  kSelfAttention,   // each followed by an AttentionBlock
  kCrossAttention,  // each followed by a Transformer2D that sees the prompt
};

struct UNetLevel {
  int64_t channels = 0;
  LevelKind kind = LevelKind::kPlain;
  int64_t heads = 1;
  int64_t transformer_layers = 1;
  bool only_cross_attention = false;
};

struct UNetConfig {
  int64_t in_channels = 4;
  int64_t out_channels = 4;
  int64_t sample_size = 64;              // latent height and width the model was trained at
  std::vector<UNetLevel> levels;         // finest first, on the way down
  std::vector<LevelKind> up_kinds;       // coarsest first
  LevelKind middle = LevelKind::kPlain;  // kPlain: residual blocks alone
  bool middle_only_cross_attention = false;
  int64_t layers_per_block = 2;  // one more on the way up
  int64_t downsample_padding = 1;
  double middle_scale = 1;
  int64_t groups = 32;
  int64_t middle_groups = 32;  // of the middle's AttentionBlock
  double epsilon = 1e-5;
  bool scale_shift = false;
  bool linear_projection = false;
  bool center_input = false;  // 2x - 1 first
  bool flip_sin_to_cos = true;
  double freq_shift = 0;
  int64_t context_width = 0;       // 0: no prompt
  int64_t text_pooling_heads = 0;  // 0: no pooled prompt in the time embedding
  int64_t class_count = 0;         // 0: no class embedding

  bool conditioned_on_text() const { return context_width > 0; }

  // unet/config.json. Throws ModelError naming the first key whose value is not supported.
  static UNetConfig From(const Config& config);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_UNET_CONFIG_H_
