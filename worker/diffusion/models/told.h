// What a denoiser is told besides x and the noise level: tensors by kind. A model uses the kinds it was
// trained with; whoever prepares a row sets those, and nothing in between needs to know which they are.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TOLD_H_
#define MIND_WORKER_DIFFUSION_MODELS_TOLD_H_

#include <ATen/ATen.h>

#include <array>
#include <initializer_list>
#include <utility>
#include <vector>

namespace mind::diffusion {

enum class Condition {
  kText,      // float [M, width]: the encoded prompt
  kPooled,    // float [P]: the prompt as one vector
  kSizes,     // float [n]: numbers about the picture's frame, SDXL's size conditioning
  kLabel,     // int64 []: the class
  kGuidance,  // float [width]: the guidance scale, embedded, for students that were trained with it
  kChannels,  // float [C', h, w]: put beside x
};

// Of one row, in the shapes above, or of a batch, with a dimension of the rows before them. Kinds that are
// not told are undefined. Cheap to copy: tensors are shared.
class Told {
 public:
  Told() = default;
  Told(std::initializer_list<std::pair<Condition, at::Tensor>> tensors) {
    for (const auto& [kind, tensor] : tensors) Set(kind, tensor);
  }

  const at::Tensor& operator[](Condition kind) const { return tensors_[static_cast<size_t>(kind)]; }
  void Set(Condition kind, at::Tensor tensor) { tensors_[static_cast<size_t>(kind)] = std::move(tensor); }

  // Of rows that are alike, the batch. REQUIRES: SameShape of each two of them; at least one.
  static Told Stack(const std::vector<const Told*>& rows);

  // Whether rows fit one batch: told the same kinds, in the same shapes.
  friend bool SameShape(const Told& a, const Told& b);

 private:
  static constexpr size_t kKinds = static_cast<size_t>(Condition::kChannels) + 1;

  std::array<at::Tensor, kKinds> tensors_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TOLD_H_
