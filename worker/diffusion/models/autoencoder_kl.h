// The autoencoder between pictures and latents (diffusers' AutoencoderKL).
// Sources: Rombach et al. 2022, sec. 3.1; diffusers models/autoencoders/{autoencoder_kl,vae}.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_KL_H_
#define MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_KL_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/unet_blocks.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct AutoencoderConfig {
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t latent_channels = 4;
  std::vector<int64_t> channels;          // finest first
  std::vector<int64_t> decoder_channels;  // likewise, as many: the decoder's, where they may be others
  int64_t layers_per_block = 1;
  int64_t groups = 32;
  // Latents are brought to about mean zero and unit variance for the denoiser: by these.
  double shift_factor = 0;
  double scaling_factor = 0.18215;
  // Or, a number for each channel (Playground 2.5), by these and then scaling_factor; empty: not.
  std::vector<double> latents_mean, latents_deviation;
  bool middle_attention = true;
  bool force_upcast = false;  // the file says that it is to be computed in float32

  // How many pixels one latent stands for, each way.
  int64_t reduction() const { return int64_t{1} << (channels.size() - 1); }

  // Of shape [C, h, w] or [B, C, h, w]: what the encoder makes, as the denoiser works on it, and back.
  at::Tensor Scaled(const at::Tensor& latents) const;
  at::Tensor Unscaled(const at::Tensor& x) const;

  // vae/config.json of an autoencoder of this class, or of one that is built like it. Throws ModelError.
  static AutoencoderConfig From(const Config& config, const std::string& kind = "AutoencoderKL");
};

// What moments say of a picture's latents, unscaled. Source: diffusers DiagonalGaussianDistribution.
struct LatentDistribution {
  at::Tensor mean, log_variance;  // the latter kept within what exponentiates

  // `dim`: of the channels.
  static LatentDistribution Of(const at::Tensor& moments, int64_t dim) {
    const auto halves = moments.chunk(2, dim);
    return {halves[0], halves[1].clamp(-30, 20)};
  }
  at::Tensor deviation() const { return at::exp(log_variance / 2); }
  at::Tensor Sample(const at::Tensor& noise) const { return mean + deviation() * noise; }
};

// Immutable after construction; any thread may call.
class AutoencoderKl {
 public:
  AutoencoderKl(const Scope& scope, const AutoencoderConfig& config);

  // image float [B, 3, H, W] in [-1, 1] → the mean and log-variance of the latents, float [B, 2·latent, H/r,
  // W/r], unscaled.
  at::Tensor EncodeMoments(const at::Tensor& image) const;
  // latents [B, latent, h, w], unscaled → image float [B, 3, h·r, w·r], about [-1, 1], not clamped.
  at::Tensor Decode(const at::Tensor& latents) const;

  const AutoencoderConfig& config() const { return config_; }

 private:
  AutoencoderConfig config_;
  Conv2d encoder_in_;
  std::vector<DownBlock> down_;
  MiddleBlock encoder_middle_;
  GroupNorm encoder_norm_;
  Conv2d encoder_out_;
  std::optional<Conv2d> quant_, post_quant_;
  Conv2d decoder_in_;
  MiddleBlock decoder_middle_;
  std::vector<UpBlock> up_;
  GroupNorm decoder_norm_;
  Conv2d decoder_out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_AUTOENCODER_KL_H_
