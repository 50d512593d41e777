// Models one after the other: a picture, then what upscalers make of it. Ho et al. 2022 (cascaded diffusion).
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_CASCADE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_CASCADE_H_

#include <memory>

#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/pipeline.h"

namespace mind::diffusion {

// One stage and those after it. A model directory holds cascade.json, {"_class_name": "Cascade", "stages":
// ["../emoji", "../emoji-upscaler"]}: the directories, from its own, of a model and of one upscaler or more.
// Sizes are those of the last picture; later stages are sampled, guided and noised as they are by default, or
// as PictureRequest::later_stages says. Or, with "hand_over": 0.8, of a model and one that goes on with its
// latents when that much of the noise is gone, as the request says: SDXL's base and refiner (Podell et al.
// 2023, sec. 2.5; diffusers' denoising_end). A second stage that reads prompts by the first one's text
// encoder (ModelDirectory::text_of) goes on with what that has made, not with its picture rounded to bytes.
class CascadePipeline : public Pipeline {
 public:
  // The first stage's abilities at the last one's size. Throws ModelError where a stage is no upscaler, or
  // the first is one; with hand_over, where either is one or sees pictures beside its latents.
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return stage_->sampler_config(); }
  SamplerConfig ConfigFor(int64_t steps) const override { return stage_->ConfigFor(steps); }
  const Denoiser& denoiser() const override { return stage_->denoiser(); }
  at::Device device() const override { return stage_->device(); }
  std::vector<int64_t> LatentShape(int64_t width, int64_t height) const override {
    return stage_->LatentShape(width / enlarged_later_, height / enlarged_later_);
  }
  std::vector<int64_t> SourceSize(int64_t width, int64_t height) const override {
    return stage_->SourceSize(width / enlarged_later_, height / enlarged_later_);
  }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override {
    return stage_->Condition(AsHere(request), shape);
  }
  ResizeFilter source_filter() const override { return stage_->source_filter(); }
  at::Tensor Decode(const at::Tensor& latent) const override { return stage_->Decode(latent); }
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override {
    return stage_->Encode(picture, noise);
  }
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override {
    return stage_->Begin(source, AsHere(request), shape, noise);
  }
  void Tell(const Source& source, const Start& start, const PictureRequest& request,
            Conditioning& conditioning) const override {
    stage_->Tell(source, start, AsHere(request), conditioning);
  }
  at::Tensor Preview(const at::Tensor& x0) const override { return stage_->Preview(x0); }
  // The first is sampled as the request says, and so is one that goes on with its latents; others as they are
  // by default.
  std::optional<StageSampling> own_sampling() const override {
    if (number_ == 0 || info_.enlargement == 1) return std::nullopt;
    return StageSampling{info_.default_sampler, info_.default_steps};
  }
  const Pipeline* next() const override { return next_.get(); }
  double hand_over() const override { return hand_over_; }
  bool hands_result() const override { return hands_result_; }
  at::Tensor Result(const at::Tensor& x) const override { return stage_->Result(x); }

 private:
  CascadePipeline() = default;

  PictureRequest AsHere(const PictureRequest& request) const;

  ModelInfo info_;
  std::unique_ptr<const Pipeline> stage_;
  int64_t enlarged_later_ = 1;  // how much larger the last picture is than this stage's
  size_t number_ = 0;           // of this stage, from 0
  double hand_over_ = 1;
  bool hands_result_ = false;
  std::unique_ptr<const CascadePipeline> next_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_CASCADE_H_
