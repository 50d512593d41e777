// Qwen 2.5-VL: a text with pictures in it, as its language model reads them.
// Sources: Bai et al. 2025, "Qwen2.5-VL", sec. 2.1; Wang et al. 2024, "Qwen2-VL", sec. 2.1 (M-RoPE);
// transformers models/qwen2_5_vl/modeling_qwen2_5_vl.py.
#ifndef MIND_WORKER_DIFFUSION_MODELS_QWEN_PICTURE_TEXT_H_
#define MIND_WORKER_DIFFUSION_MODELS_QWEN_PICTURE_TEXT_H_

#include <ATen/ATen.h>

#include <array>
#include <vector>

#include "worker/diffusion/models/qwen_text.h"
#include "worker/diffusion/models/qwen_vision.h"

namespace mind::diffusion {

// A picture as tokens of the language model, line by line.
struct SeenPicture {
  at::Tensor tokens;              // float [rows·columns, width]
  int64_t rows = 0, columns = 0;  // of tokens
};

// Immutable after construction; any thread may call.
class QwenPictureText {
 public:
  // Scopes under the names of QwenText and of QwenVision. `mark`: the token that stands for one of a
  // picture's. Throws ModelError where the two networks do not fit.
  QwenPictureText(const Scope& text, const QwenTextConfig& text_config, const Scope& vision,
                  const QwenVisionConfig& vision_config, int64_t mark);

  // Patches float [rows·columns, numbers] (QwenPatches).
  SeenPicture See(const at::Tensor& patches, int64_t rows, int64_t columns) const;

  // Each mark made as many as its picture has tokens. Throws RequestError where there are not as many marks
  // as pictures.
  std::vector<int64_t> Spread(const std::vector<int64_t>& ids,
                              const std::vector<SeenPicture>& pictures) const;
  // Of such ids, the embeddings and what each layer makes of them, [1, N, width]; the last not yet normed.
  // REQUIRES: at least one picture.
  std::vector<at::Tensor> States(const std::vector<int64_t>& ids,
                                 const std::vector<SeenPicture>& pictures) const;

  const QwenText& text() const { return text_; }
  const QwenVisionConfig& vision_config() const { return vision_.config(); }

 private:
  QwenText text_;
  QwenVision vision_;
  int64_t mark_;
};

// Where tokens are, on the axes of time, lines and columns: int64 [N, 3]. A picture's are all at one time,
// and what comes after it is behind the last of its lines and columns. `grids`: lines and columns of the
// pictures, whose tokens are `mark`.
at::Tensor QwenPlaces(const std::vector<int64_t>& ids, int64_t mark,
                      const std::vector<std::array<int64_t, 2>>& grids);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_QWEN_PICTURE_TEXT_H_
