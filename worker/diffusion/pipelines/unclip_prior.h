// The first stage of unCLIP's models: from a prompt to the embedding of a picture of it. Ramesh et al. 2022,
// sec. 2.2; reference: diffusers UnCLIPPipeline and StableUnCLIPPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_UNCLIP_PRIOR_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_UNCLIP_PRIOR_H_

#include <memory>

#include "worker/diffusion/models/prior_transformer.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/pipelines/prompt_encoder.h"

namespace mind::diffusion {

// Its x is the embedding, [P]; there is nothing of it to see. Sampled in kSteps steps by prior_scheduler/,
// or as many as a request says of this stage; the rest of a request is for the stage after it, whose model
// this is.
class UnclipPrior : public Pipeline {
 public:
  static constexpr int64_t kSteps = 25;
  // What a request may say of it. `scheduler`: the folder of its own. Throws ModelError.
  static LaterStageInfo StageOf(const ModelDirectory& directory,
                                const std::string& scheduler = "prior_scheduler");

  // Where its parts lie in a model directory.
  struct Folders {
    std::string prior, scheduler;
  };

  // `info`: of the whole model; `text`: what reads the prompt; `next`: the stage that goes on. `one_switch`:
  // guided where the request guides either of the two, each by its own scale; else where prior_guidance is
  // more than 1. Throws ModelError.
  UnclipPrior(const ModelDirectory& directory, FileParameters::Options options, ModelInfo info,
              std::shared_ptr<const PromptEncoder> text, std::unique_ptr<const Pipeline> next,
              bool one_switch, const Folders& folders = {"prior", "prior_scheduler"});

  const ModelInfo& info() const override { return info_; }
  const SamplerConfig& sampler_config() const override { return sampler_config_; }
  const Denoiser& denoiser() const override { return *prior_; }
  at::Device device() const override { return device_; }
  std::vector<int64_t> LatentShape(int64_t, int64_t) const override { return {prior_->config().embedding}; }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  // Neither is asked for: an embedding is handed over, and no source is taken.
  at::Tensor Decode(const at::Tensor& latent) const override;
  at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const override;
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  at::Tensor Preview(const at::Tensor&) const override { return {}; }
  std::optional<StageSampling> own_sampling() const override;
  const Pipeline* next() const override { return next_.get(); }
  bool hands_result() const override { return true; }
  at::Tensor Result(const at::Tensor& x) const override { return prior_->Embedding(x); }

  int64_t width() const { return prior_->config().embedding; }  // of the embedding
  // For whoever checks it.
  const PromptEncoder& text() const { return *text_; }

 protected:
  const PriorTransformer& prior() const { return *prior_; }

 private:
  ModelInfo info_;
  SamplerConfig sampler_config_;
  at::Device device_;
  std::shared_ptr<const PromptEncoder> text_;
  std::unique_ptr<const PriorTransformer> prior_;
  std::unique_ptr<const Pipeline> next_;
  bool one_switch_;
};

// A prompt as unCLIP's networks are told it: kText, kPooled, and kTextMask over its padding. Its tokens that
// there is no room for are added to `cut`. Throws RequestError.
Told UnclipText(const PromptEncoder& encoder, const std::string& prompt, const PictureRequest& request,
                int64_t& cut);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_UNCLIP_PRIOR_H_
