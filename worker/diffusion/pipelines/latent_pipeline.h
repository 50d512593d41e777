// What pipelines on the latents of an autoencoder have in common. Rombach et al. 2022, sec. 3.1.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_LATENT_PIPELINE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_LATENT_PIPELINE_H_

#include <memory>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/tiny_autoencoder.h"
#include "worker/diffusion/pipelines/latent_preview.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/picture_scorer.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/pipelines/vae_library.h"

namespace mind::diffusion {

class LatentPipeline : public Pipeline {
 public:
  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  // By the tiny autoencoder in taesd/, where the model has one, else by the linear map.
  at::Tensor Preview(const at::Tensor& x0) const override;

 protected:
  LatentPipeline() = default;

  // Name, sizes, samplers and scorer, for a denoiser trained on latents of `sample_size`.
  static ModelInfo DescribeLatents(const ModelDirectory& directory, int64_t sample_size);
  // Loads autoencoder, preview and scorer. Throws ModelError. REQUIRES: sampler_config_ is set
  void LoadAutoencoder(const ModelDirectory& directory, FileParameters::Options options);

  // What this thread works with (VaeScope): the model's own, or the one that a request has chosen, which has
  // the same configuration. Throws as VaeLibrary::Use.
  std::shared_ptr<const AutoencoderKl> Autoencoder() const;
  // What the encoder makes of a picture, unscaled.
  LatentDistribution LatentsOf(const at::Tensor& picture) const;

  // Latents each way, where a picture is taken in tiles: as many as the denoiser was trained on.
  int64_t Tile() const;

  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_ = at::kCPU;
  std::unique_ptr<const AutoencoderKl> autoencoder_;  // the model's own
  std::unique_ptr<const VaeLibrary> vaes_;
  std::unique_ptr<const LatentPreview> preview_;
  std::unique_ptr<const TinyAutoencoder> tiny_preview_;  // or null
  std::unique_ptr<const PictureScorer> scorer_;          // or null
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_LATENT_PIPELINE_H_
