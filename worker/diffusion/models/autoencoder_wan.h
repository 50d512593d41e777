// The autoencoder of Wan's videos and Qwen-Image's pictures (diffusers' AutoencoderKLQwenImage), for
// pictures: of a lone frame every kernel over time sees the last of its weights alone, so that it is a
// network of two dimensions (weights/names/wan_names.h makes its weights so). Sources: Wan Team 2025, "Wan",
// sec. 4.1; diffusers models/autoencoders/autoencoder_kl_qwenimage.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_WAN_H_
#define MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_WAN_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// Of a base's: latent_channels, channels (finest first), layers_per_block; scaling_factor is 1, for each
// channel has its own.
struct AutoencoderWanConfig : AutoencoderConfig {
  // Of each channel's latents; the denoiser sees them less the one and divided by the other.
  std::vector<double> latent_means = {}, latent_deviations = {};

  // vae/config.json. Throws ModelError.
  static AutoencoderWanConfig From(const Config& config);
};

// x [B, C, H, W] over the root of the mean square of each pixel's channels, times what was learnt ("gamma").
class PixelNorm {
 public:
  PixelNorm(const Scope& scope, int64_t channels);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  at::Tensor gamma_;  // [C, 1, 1]
};

// norm1, SiLU, conv1, norm2, SiLU, conv2, + x, through conv_shortcut where the channels change.
class WanResidual {
 public:
  WanResidual(const Scope& scope, int64_t in, int64_t out);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  PixelNorm norm_1_;
  Conv2d conv_1_;
  PixelNorm norm_2_;
  Conv2d conv_2_;
  std::optional<Conv2d> shortcut_;
};

// A residual block, attention of one head from every pixel to every other, and another residual block.
class WanMiddle {
 public:
  WanMiddle(const Scope& scope, int64_t channels);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  WanResidual first_;
  PixelNorm norm_;
  Conv2d to_qkv_, out_;
  WanResidual second_;
};

// Immutable after construction; any thread may call.
class AutoencoderWan {
 public:
  AutoencoderWan(const Scope& scope, const AutoencoderWanConfig& config);

  // image float [B, 3, H, W] in [-1, 1] → the mean and log-variance of the latents, float [B, 2·latent, H/r,
  // W/r], as they are made.
  at::Tensor EncodeMoments(const at::Tensor& image) const;
  // latents [B, latent, h, w], as they are made → image float [B, 3, h·r, w·r] in [-1, 1].
  at::Tensor Decode(const at::Tensor& latents) const;

  // Latents [.., latent, h, w] as they are made → as the denoiser sees them, and back.
  at::Tensor Normed(const at::Tensor& latents) const;
  at::Tensor AsMade(const at::Tensor& normed) const;

  const AutoencoderWanConfig& config() const { return config_; }

 private:
  // What a level does, finest first on the way down.
  struct Level {
    std::vector<WanResidual> residuals;
    std::optional<Conv2d> resample;  // to half the size, or of twice the size
  };

  AutoencoderWanConfig config_;
  Conv2d encoder_in_;
  std::vector<Level> down_;
  WanMiddle encoder_middle_;
  PixelNorm encoder_norm_;
  Conv2d encoder_out_, quant_, post_quant_;
  Conv2d decoder_in_;
  WanMiddle decoder_middle_;
  std::vector<Level> up_;
  PixelNorm decoder_norm_;
  Conv2d decoder_out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_WAN_H_
