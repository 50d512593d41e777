// Stable Diffusion 3 and 3.5: two CLIP text encoders and, where it is there, T5, before a transformer that is
// a rectified flow. Esser et al. 2024; reference: diffusers StableDiffusion3Pipeline and its Img2Img.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_STABLE_DIFFUSION_3_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_STABLE_DIFFUSION_3_H_

#include <array>
#include <memory>
#include <string>

#include "worker/diffusion/models/sd3_transformer.h"
#include "worker/diffusion/pipelines/latent_pipeline.h"
#include "worker/diffusion/pipelines/prompt_encoder.h"
#include "worker/diffusion/pipelines/t5_prompts.h"

namespace mind::diffusion {

// Guidance leads away from the negative prompt only above 1. Prompts are read as they are written: what is
// longer than CLIP's 77 tokens goes on in further chunks, and T5 reads the first max_sequence_length tokens.
class StableDiffusion3Pipeline : public LatentPipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const Denoiser& denoiser() const override { return *transformer_; }
  // A request's second prompt is for the second CLIP, its third for T5. Perturbed guidance passes over
  // blocks; of "mid", as nobody has said otherwise, those that the reference leaves out.
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;

  // One row, with a prompt for each of the encoders; `wish` is of the clips. Adds to `cut` what T5 and CLIP
  // had no room for.
  using Prompts = std::array<std::string, 3>;
  Told Row(const Prompts& prompts, const PromptEncoder::Wish& wish, int64_t& cut) const;

  // The parts, for whoever checks them one by one.
  const PromptEncoder& clip(size_t number) const { return *clips_[number]; }
  const T5Prompts* t5() const { return t5_.get(); }  // null: there is none

 private:
  StableDiffusion3Pipeline() = default;

  // Throws RequestError naming a block that the transformer has not.
  void PassOver(const PerturbedGuidance& guidance, Conditioning& conditioning) const;

  std::array<std::unique_ptr<const PromptEncoder>, 2> clips_;
  std::unique_ptr<const T5Prompts> t5_;
  int64_t t5_tokens_ = 0;  // as many rows of zeros where there is none
  std::unique_ptr<const Sd3Transformer> transformer_;
  std::unique_ptr<const AdapterLibrary> adapters_;  // of that and the clips
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_STABLE_DIFFUSION_3_H_
