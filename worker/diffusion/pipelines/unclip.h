// unCLIP (Karlo): a prompt becomes a picture's embedding, that a small picture, and that a larger one; or
// pictures like a given one. Ramesh et al. 2022; reference: diffusers UnCLIPPipeline,
// UnCLIPImageVariationPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_UNCLIP_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_UNCLIP_H_

#include <memory>

#include "worker/diffusion/models/picture_projection.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/picture_encoder.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/pipelines/prompt_encoder.h"

namespace mind::diffusion {

// The stage that a request is about: from an embedding, the prior's or that of the request's picture, to a
// small picture. Its prompt has no negative: guidance leads away from an empty one and from a picture that
// is none, which the model has learnt.
class UnclipDecoder : public Pipeline {
 public:
  // Of the model whole. Throws ModelError.
  static ModelInfo Describe(const ModelDirectory& directory);
  // The first stage: a prior, or, where the model varies pictures, this.
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *unet_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override {
    return {3, height / enlargement_, width / enlargement_};
  }
  // The prompt's rows, to which Tell adds the picture.
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  at::Tensor Decode(const at::Tensor& latent) const override { return (latent / 2 + 0.5).clamp(0, 1); }
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  void Tell(const Source& source, const Start& start, const PictureRequest& request,
            Conditioning& conditioning) const override;
  at::Tensor Preview(const at::Tensor& x0) const override { return Decode(x0); }
  const Pipeline* next() const override { return next_.get(); }
  bool hands_result() const override { return true; }
  at::Tensor Result(const at::Tensor& x) const override { return x.clamp(-1, 1); }

  // For whoever checks them one by one.
  const PromptEncoder& text() const { return *text_; }
  const PictureEncoder& pictures() const { return *pictures_; }  // REQUIRES: info().varies

 private:
  UnclipDecoder() = default;

  // [P]: what the picture is that is to be made.
  at::Tensor EmbeddingOf(const Source& source) const;

  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_ = at::kCPU;
  int64_t enlargement_ = 1;  // by the stage after it
  std::shared_ptr<const PromptEncoder> text_;
  std::unique_ptr<const PictureEncoder> pictures_;  // null: the embedding is the prior's
  std::unique_ptr<const PictureProjection> projection_;
  std::unique_ptr<const UNet> unet_;
  std::unique_ptr<const Pipeline> next_;
};

// Two networks that share a trajectory: one for all its steps but the last, at timestep 0.
class SuperResolution : public Denoiser {
 public:
  SuperResolution(std::unique_ptr<const UNet> first, std::unique_ptr<const UNet> last)
      : first_(std::move(first)), last_(std::move(last)) {}
  at::Tensor operator()(const DenoiserInput& input) const override;

 private:
  const std::unique_ptr<const UNet> first_, last_;
};

// The last stage: from the small picture to the large one, in kSteps steps of super_res_scheduler/, or as
// many as a request says of this stage, unguided and without the prompt. The networks are shown the small
// one, enlarged, beside x.
class UnclipEnlarger : public Pipeline {
 public:
  static constexpr int64_t kSteps = 7;

  // From the folders super_res_first/, super_res_last/ and super_res_scheduler/. `info`: of the whole model.
  // Throws ModelError.
  UnclipEnlarger(const ModelDirectory& directory, FileParameters::Options options, ModelInfo info);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *networks_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override {
    return {3, height, width};
  }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  at::Tensor Decode(const at::Tensor& latent) const override { return (latent / 2 + 0.5).clamp(0, 1); }
  at::Tensor Encode(const at::Tensor& picture, NoiseSource&) const override { return picture * 2 - 1; }
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  at::Tensor Preview(const at::Tensor& x0) const override { return Decode(x0); }
  std::optional<StageSampling> own_sampling() const override;

 private:
  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_;
  std::unique_ptr<const SuperResolution> networks_;
};

// A picture [B, 3, h, w] of any range as large as `size` says: the cubic with a = -0.5, widened where it
// shrinks, weights made one at the borders.
at::Tensor UnclipEnlarged(const at::Tensor& picture, at::IntArrayRef size);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_UNCLIP_H_
