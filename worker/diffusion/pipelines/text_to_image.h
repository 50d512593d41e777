// Latent text-to-image diffusion: Stable Diffusion 1.x and 2.x and models of their make.
// Rombach et al. 2022; reference: diffusers StableDiffusionPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_

#include <memory>
#include <vector>

#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/control_library.h"
#include "worker/diffusion/pipelines/latent_pipeline.h"
#include "worker/diffusion/pipelines/picture_prompt_library.h"
#include "worker/diffusion/pipelines/prompt_encoder.h"

namespace mind::diffusion {

class TextToImagePipeline : public LatentPipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  const Denoiser& denoiser() const override { return *unet_; }
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  // A model that edits begins with noise, however its picture looks: it sees that beside x.
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  // The controls; where the model edits, a third row, which is shown no picture; and last the perturbed one.
  void Tell(const Source& source, const Start& start, const PictureRequest& request,
            Conditioning& conditioning) const override;

  // The parts, for whoever checks them one by one.
  size_t encoders() const { return encoders_.size(); }
  const PromptEncoder& encoder(size_t number) const { return *encoders_[number]; }
  const PicturePromptLibrary& picture_prompts() const { return *picture_prompts_; }

 protected:
  TextToImagePipeline() = default;

  // By the channels the UNet sees. Throws ModelError where they are neither the latents' nor those of a model
  // made for inpainting, depth or editing, or where it is told a picture's embedding and should not be.
  static ModelInfo DescribeUNet(const ModelDirectory& directory, bool told_picture = false);
  // Whether it makes pictures from its prompt alone, and so can go over them.
  static bool TakesHires(const ModelInfo& info) {
    return !info.needs_mask && !info.needs_depth && !info.edits;
  }
  // What holds for every model with a prompt. `encoder`: the one whose layers clip_skip counts.
  static void DescribeText(const ModelDirectory& directory, const PromptEncoder::Part& encoder,
                           ModelInfo& info);
  // The denoiser is told the encoders' states side by side. Throws ModelError.
  void LoadParts(const ModelDirectory& directory, ModelInfo info,
                 const std::vector<PromptEncoder::Part>& encoders, FileParameters::Options options);

  const UNetConfig& unet_config() const { return unet_->config(); }
  AdapterSet AdaptersFor(const PictureRequest& request) const { return adapters_->Get(request.loras); }

 private:
  static void TellPicture(const Start& start, const PictureRequest& request, Conditioning& conditioning);
  // Throws RequestError naming a layer that the UNet has not.
  void Perturb(const PerturbedGuidance& guidance, Conditioning& conditioning) const;

  std::vector<std::unique_ptr<const PromptEncoder>> encoders_;
  std::unique_ptr<const UNet> unet_;
  std::unique_ptr<const AdapterLibrary> adapters_;
  std::unique_ptr<const ControlLibrary> controls_;
  std::unique_ptr<const PicturePromptLibrary> picture_prompts_;
  bool edits_scaled_ = false;  // a model that edits sees its picture's latents at the scale of its own
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_TEXT_TO_IMAGE_H_
