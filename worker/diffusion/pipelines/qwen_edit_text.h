// Prompts of Qwen-Image-Edit: told to a language model after the pictures that are to be changed, and what it
// makes of both.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_QWEN_EDIT_TEXT_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_QWEN_EDIT_TEXT_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/qwen_picture_text.h"
#include "worker/diffusion/pipelines/model_part.h"
#include "worker/diffusion/text/qwen_tokenizer.h"

namespace mind::diffusion {

// A picture cut up for the language model's eye.
struct PatchedPicture {
  at::Tensor patches;             // float [rows·columns, numbers] (QwenPatches)
  int64_t rows = 0, columns = 0;  // of patches
};

// Immutable after construction; any thread may call, under inference mode.
class QwenEditText {
 public:
  // Tokens of a prompt and its pictures, as far as the reference takes them.
  static constexpr int64_t kMostTokens = 1024;

  // From tokenizer/ and text_encoder/. Throws ModelError.
  QwenEditText(const ModelDirectory& directory, FileParameters::Options options);

  // Of a picture, uint8 [H, W, 3] on the CPU.
  PatchedPicture Patched(const at::Tensor& picture) const;
  SeenPicture See(const at::Tensor& picture) const;
  // The ids of a prompt after its pictures. Throws RequestError where the prompt holds a picture's mark.
  std::vector<int64_t> Ids(const std::string& prompt, const std::vector<SeenPicture>& pictures) const;
  // float [M, width], of all tokens behind the instruction's; the pictures' are among them. Throws
  // RequestError where there are more than kMostTokens, too.
  at::Tensor Encode(const std::string& prompt, const std::vector<SeenPicture>& pictures) const;

 private:
  const at::Device device_;
  std::unique_ptr<const QwenTokenizer> tokenizer_;
  QwenVisionConfig vision_;
  std::unique_ptr<const Droppable<QwenPictureText>> encoder_;
};

// Height and width, in pixels, that a picture of these is seen at: multiples of `token` that are near, not
// less than the least nor more than the most pixels of the published models.
// Reference: transformers models/qwen2_vl/image_processing_qwen2_vl.py smart_resize.
std::array<int64_t, 2> QwenSeenSize(int64_t height, int64_t width, int64_t token);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_QWEN_EDIT_TEXT_H_
