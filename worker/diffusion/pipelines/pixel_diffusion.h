// Diffusion on pixels without a prompt: DDPM, score-SDE, and the report's class-conditional DDPM.
// Ho et al. 2020; Song et al. 2021; references: diffusers DDPMPipeline and ScoreSdeVePipeline,
// abarankab/DDPM.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_PIXEL_DIFFUSION_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_PIXEL_DIFFUSION_H_

#include <memory>

#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/picture_scorer.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

class PixelDiffusionPipeline : public Pipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);
  // The report's own files: config.json and model.safetensors, its noise schedule among the tensors.
  static ModelInfo DescribeReport(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> LoadReport(const ModelDirectory& directory,
                                                    FileParameters::Options options);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *unet_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override;
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  at::Tensor Preview(const at::Tensor& x0) const override { return Decode(x0); }

 private:
  PixelDiffusionPipeline() = default;

  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_ = at::kCPU;
  bool centred_ = true;  // pixels go from -1 to 1 for the network, not from 0
  std::unique_ptr<const UNet> unet_;
  std::unique_ptr<const PictureScorer> scorer_;  // or null
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_PIXEL_DIFFUSION_H_
