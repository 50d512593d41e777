// TAESD: an autoencoder so small that it can decode every preview (diffusers' AutoencoderTiny).
// Sources: github.com/madebyollin/taesd taesd.py; diffusers models/autoencoders/autoencoder_tiny.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TINY_AUTOENCODER_H_
#define MIND_WORKER_DIFFUSION_MODELS_TINY_AUTOENCODER_H_

#include <optional>
#include <vector>

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct TinyAutoencoderConfig {
  int64_t in_channels = 3;
  int64_t out_channels = 3;
  int64_t latent_channels = 4;
  int64_t width = 64;                                  // of every layer
  std::vector<int64_t> encoder_blocks = {1, 3, 3, 3};  // residual blocks at each resolution, finest first
  std::vector<int64_t> decoder_blocks = {3, 3, 3, 1};  // coarsest first
  double scaling_factor = 1;

  // How many pixels one latent stands for, each way.
  int64_t reduction() const { return int64_t{1} << (decoder_blocks.size() - 1); }

  // config.json of diffusers' AutoencoderTiny. Throws ModelError.
  static TinyAutoencoderConfig From(const Config& config);
};

// Three convolutions with a shortcut; before them, where the file has one ("pool"), a normalised branch of
// 1×1 convolutions, by which the larger latents of newer models are told apart.
class TinyBlock {
 public:
  TinyBlock(const Scope& scope, int64_t width);
  at::Tensor operator()(const at::Tensor& x) const;

 private:
  Conv2d first_, second_, third_;
  at::Tensor pool_in_, pool_out_;
  std::optional<GroupNorm> pool_norm_;
};

// Immutable after construction; any thread may call.
class TinyAutoencoder {
 public:
  // Parameters under diffusers' names. An encoder is optional: previews need none.
  TinyAutoencoder(const Scope& scope, const TinyAutoencoderConfig& config);

  // image float [B, 3, H, W] in [-1, 1] → latents [B, latent, H/r, W/r]. REQUIRES: has_encoder()
  at::Tensor Encode(const at::Tensor& image) const;
  // latents, scaled as a denoiser sees them → image [B, 3, h·r, w·r], about [-1, 1], not clamped.
  at::Tensor Decode(const at::Tensor& latents) const;

  bool has_encoder() const { return !encoder_.empty(); }
  const TinyAutoencoderConfig& config() const { return config_; }

 private:
  // A convolution and the residual blocks after it.
  struct Stage {
    at::Tensor weight, bias;  // bias undefined: none
    std::vector<TinyBlock> blocks;
  };

  TinyAutoencoderConfig config_;
  std::vector<Stage> encoder_, decoder_;
  std::optional<Conv2d> encoder_out_, decoder_in_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TINY_AUTOENCODER_H_
