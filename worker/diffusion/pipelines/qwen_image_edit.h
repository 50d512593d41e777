// Qwen-Image-Edit: changes one to four pictures as a prompt says. The pictures are seen twice: small, by the
// language model that reads the prompt, and as latents, by the denoiser beside those that it makes. Wu et al.
// 2025, sec. 3.3; reference: diffusers QwenImageEditPlusPipeline (Qwen-Image-Edit-2509 and later).
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_EDIT_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_EDIT_H_

#include <array>
#include <memory>
#include <vector>

#include "worker/diffusion/pipelines/qwen_edit_text.h"
#include "worker/diffusion/pipelines/qwen_image.h"

namespace mind::diffusion {

class QwenImageEditPipeline : public QwenImagePipeline {
 public:
  static ModelInfo Describe(const ModelDirectory& directory);
  static std::unique_ptr<const Pipeline> Load(const ModelDirectory& directory,
                                              FileParameters::Options options);

  // Rows to which Tell adds prompts and pictures.
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  // With noise: what is changed is seen beside it.
  Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
              NoiseSource& noise) const override;
  void Tell(const Source& source, const Start& start, const PictureRequest& request,
            Conditioning& conditioning) const override;

  // For whoever checks it.
  const QwenEditText& edit_text() const { return *edit_text_; }
  // A picture, uint8 [H, W, 3] on the CPU, at the size that the language model's processor is given it.
  at::Tensor Shown(const at::Tensor& picture) const;

 private:
  QwenImageEditPipeline() = default;

  // About so many pixels are seen of a picture: by the language model, and as latents.
  struct Areas {
    int64_t shown = 384 * 384, encoded = 1024 * 1024;
    // "condition_area" and "reference_area" of mind.json. Throws ModelError.
    static Areas From(const ModelDirectory& directory);
  };

  Areas areas_;
  std::unique_ptr<const QwenEditText> edit_text_;
};

// Width and height of about so many pixels in the proportions of a picture, in multiples of 32.
// Reference: diffusers pipelines/qwenimage/pipeline_qwenimage_edit_plus.py calculate_dimensions.
std::array<int64_t, 2> QwenReferenceSize(int64_t width, int64_t height, int64_t area);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_QWEN_IMAGE_EDIT_H_
