// What a denoiser is told besides x and the noise level: tensors by kind. A model uses the kinds it was
// trained with; whoever prepares a row sets those, and nothing in between needs to know which they are.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TOLD_H_
#define MIND_WORKER_DIFFUSION_MODELS_TOLD_H_

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
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

class ControlNetwork;

// A picture that steers: what a network beside the denoiser makes of it is added inside the denoiser.
struct Control {
  // Null: what it makes does not hang on x, and was made before. Outlives whoever is told.
  const ControlNetwork* network = nullptr;
  // What the network sees, [3, H, W] in [0, 1] (-1: nothing is known here), alone; or, without one, what it
  // has made, [C, h, w] each, for the levels from the finest on.
  std::vector<at::Tensor> maps;
  at::Tensor weight;    // float []: what it makes is multiplied by this
  bool graded = false;  // the finer, the less of it, for prompts that say little ("guess mode")
  // Of which evaluations: of n, those that lie within this share of them whole.
  double begin = 0, end = 1;
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

  // In the order in which they were added; their effects add up.
  const std::vector<Control>& controls() const { return controls_; }
  void Add(Control control) { controls_.push_back(std::move(control)); }
  // The same without the controls that evaluation `number` (from 0) of `of` has not.
  Told At(int64_t number, int64_t of) const;

  // Of rows that are alike, the batch. REQUIRES: SameShape of each two of them; at least one.
  static Told Stack(const std::vector<const Told*>& rows);

  // Whether rows are told the same kinds, in the same shapes.
  friend bool SameTensors(const Told& a, const Told& b);
  // Whether they fit one forward: SameTensors, and steered by the same networks.
  friend bool SameShape(const Told& a, const Told& b);

 private:
  static constexpr size_t kKinds = static_cast<size_t>(Condition::kChannels) + 1;

  std::array<at::Tensor, kKinds> tensors_;
  std::vector<Control> controls_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TOLD_H_
