// FLUX.2 klein: makes pictures of a prompt, and changes one to three as it says; and the same network
// distilled to a few steps, which is not guided. Reference: diffusers Flux2KleinPipeline;
// black-forest-labs/flux2.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_FLUX2_KLEIN_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_FLUX2_KLEIN_H_

#include <memory>
#include <optional>
#include <vector>

#include "worker/diffusion/models/autoencoder_flux2.h"
#include "worker/diffusion/models/flux2_transformer.h"
#include "worker/diffusion/pipelines/flux2_text.h"
#include "worker/diffusion/pipelines/latent_preview.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

// Works on patches of 2×2 latents (AutoencoderFlux2::Packed).
class Flux2KleinPipeline : public Pipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  // transformer/ may hold the network under diffusers' or under its authors' names.
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *transformer_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override;
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  // With noise: pictures that are changed are seen beside it.
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  // Without a draw: the likeliest latents.
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  at::Tensor Preview(const at::Tensor& x0) const override;

  // For whoever checks it.
  const Flux2Text& text() const { return *text_; }

 private:
  Flux2KleinPipeline() = default;

  // Of a picture float [3, H, W] in [0, 1] the patches of its likeliest latents.
  at::Tensor PatchesOf(const at::Tensor& picture) const;
  // Latents each way, where a picture is taken in tiles.
  int64_t Tile() const;

  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_ = at::kCPU;
  std::unique_ptr<const Flux2Text> text_;
  std::unique_ptr<const Flux2Transformer> transformer_;
  std::unique_ptr<const AdapterLibrary> adapters_;  // of the transformer
  std::unique_ptr<const AutoencoderFlux2> autoencoder_;
  std::optional<LatentPreview> preview_;
};

// A picture, uint8 [H, W, 3] on the CPU, as it is seen: of a megapixel at most, and of it the middle whose
// sides are multiples of so many pixels. Throws RequestError where it has not so many.
at::Tensor Flux2Reference(const at::Tensor& picture, int64_t multiple);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_FLUX2_KLEIN_H_
