// Kandinsky 2.2: a prompt becomes a picture's embedding, and that a picture, by latent diffusion on MoVQ's
// latents. Reference: diffusers KandinskyV22Pipeline, KandinskyV22Img2ImgPipeline,
// KandinskyV22InpaintPipeline and what combines them with a prior.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_KANDINSKY_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_KANDINSKY_H_

#include <memory>
#include <optional>
#include <vector>

#include "worker/diffusion/models/movq.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/latent_preview.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

// The stage that a request is about: from the embeddings of what is to be seen and of what is not, the
// prior's, to a picture; from noise, from a picture, or in the masked part of one. Of the prompt it is told
// nothing else.
class KandinskyDecoder : public Pipeline {
 public:
  // Of the model whole: a decoder's directory, with a prior in it (KandinskyPrior). Throws ModelError.
  static ModelInfo Describe(const ModelDirectory& directory);
  // The first stage: the prior.
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  // Of a decoder's directory alone, what does not hang on the prior; and that alone. `no_picture`: [P], what
  // guidance leads away from where the stage before says nothing. Throws ModelError.
  static ModelInfo DescribeDecoder(const ModelDirectory& directory);
  KandinskyDecoder(const ModelDirectory& directory, FileParameters::Options options, ModelInfo info,
                   at::Tensor no_picture);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *unet_; }
  at::Device device() const override { return device_; }
  // Of any size, the next that holds it and is a multiple of info().size_multiple.
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override;
  ResizeFilter source_filter() const override { return ResizeFilter::kBicubic; }
  // Rows to which Tell adds the embeddings.
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  at::Tensor Decode(const at::Tensor& latent) const override;
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  void Tell(const Source& source, const Start& start, const PictureRequest& request,
            Conditioning& conditioning) const override;
  at::Tensor Preview(const at::Tensor& x0) const override { return (*preview_)(x0); }

  // For whoever checks it.
  const Movq& movq() const { return *movq_; }

 private:
  // The masked part, by a network that sees the rest of the picture and the mask.
  Start BeginPainting(const Source& source, at::IntArrayRef shape, NoiseSource& noise) const;
  // Latents each way, where a picture is taken in tiles.
  int64_t Tile() const;

  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_ = at::kCPU;
  at::Tensor no_picture_;
  std::unique_ptr<const UNet> unet_;
  std::unique_ptr<const Movq> movq_;
  std::optional<LatentPreview> preview_;
};

// A mask of what is kept, float [1, h, w] of 0 and 1, without the cells that touch what is not: up, down,
// left and right, up and left, down and right, but at the other two corners. So the network was trained.
at::Tensor WithoutBorder(const at::Tensor& kept);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_KANDINSKY_H_
