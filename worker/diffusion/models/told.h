// What a denoiser is told besides x and the noise level: tensors by kind. A model uses the kinds it was
// trained with; whoever prepares a row sets those, and nothing in between needs to know which they are.
#ifndef MIND_WORKER_DIFFUSION_MODELS_TOLD_H_
#define MIND_WORKER_DIFFUSION_MODELS_TOLD_H_

#include <ATen/ATen.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

namespace mind::diffusion {

enum class Condition {
  kText,      // float [M, width]: the encoded prompt
  kTextMask,  // float [M]: added to attention's logits of kText's tokens: 0, or far less where one is padding
  kPooled,    // float [P]: the prompt as one vector
  kImage,     // float [P]: a picture as one vector: what CLIP makes of it, or what a network is told of that
  kSizes,     // float [n]: numbers about the picture's frame, SDXL's size conditioning
  kLabel,     // int64 []: the class
  kGuidance,  // float [width]: the guidance scale, embedded, for students that were trained with it
  kReference,        // float [M, C']: the tokens of pictures that the model goes by, as it makes tokens of x
  kReferencePlaces,  // float [M, axes]: where each of those is, for rotary positions (rotary.h)
  kChannels,         // float [C', h, w]: put beside x
};

class ControlNetwork;
class PicturePrompter;
struct Perturbation;

// A share of a trajectory's evaluations: of n, those that lie within it whole.
struct Interval {
  double begin = 0, end = 1;

  bool Has(int64_t number, int64_t of) const {
    const auto n = static_cast<double>(of);
    return static_cast<double>(number) / n >= begin && static_cast<double>(number + 1) / n <= end;
  }
};

// A picture that steers: what a network beside the denoiser makes of it is added inside the denoiser.
struct Control {
  // Null: what it makes does not hang on x, and was made before. Outlives whoever is told.
  const ControlNetwork* network = nullptr;
  // What the network sees, [3, H, W] in [0, 1] (-1: nothing is known here), alone; or, without one, what it
  // has made, [C, h, w] each, for the levels from the finest on. Of a network that knows several kinds of
  // pictures, one or more.
  std::vector<at::Tensor> maps;
  std::vector<int64_t> kinds = {};  // which each of those is, by number; empty: it knows one
  // float []: what it makes is multiplied by this. Or, of several pictures, [n]: each weighs in by its own
  // inside the network.
  at::Tensor weight;
  bool graded = false;  // the finer, the less of it, for prompts that say little ("guess mode")
  Interval within;      // those that it acts in
  // Of several pictures, those that each weighs in; the network acts in all.
  std::vector<Interval> each = {};

  bool several() const { return network != nullptr && maps.size() > 1; }
};

// Pictures that are prompts beside the text, of one adapter.
struct PicturePrompt {
  const PicturePrompter* prompter = nullptr;  // outlives whoever is told
  at::Tensor tokens;                          // float [pictures, N, width]
  at::Tensor weights;  // float [pictures, layers]: of what each picture adds in each of the adapter's layers;
                       // without masks the same for all pictures
  at::Tensor masks;    // float [pictures, H, W] in [0, 1]: where each acts; undefined: all act everywhere
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

  // Null: every layer sees what it should.
  const std::shared_ptr<const Perturbation>& perturbation() const { return perturbation_; }
  void Perturb(std::shared_ptr<const Perturbation> perturbation) { perturbation_ = std::move(perturbation); }

  // Their effects add up.
  const std::vector<PicturePrompt>& picture_prompts() const { return picture_prompts_; }
  void Add(PicturePrompt prompt) { picture_prompts_.push_back(std::move(prompt)); }

  // In the order in which they were added; their effects add up.
  const std::vector<Control>& controls() const { return controls_; }
  void Add(Control control) { controls_.push_back(std::move(control)); }
  // The same without the controls that evaluation `number` (from 0) of `of` has not.
  Told At(int64_t number, int64_t of) const;

  // Of rows that are alike, the batch. REQUIRES: SameShape of each two of them; at least one.
  static Told Stack(const std::vector<const Told*>& rows);

  // Of a batch, the batch of this row alone.
  Told Row(int64_t number) const;

  // Whether rows are told the same kinds, in the same shapes.
  friend bool SameTensors(const Told& a, const Told& b);
  // Whether they fit one forward: SameTensors, perturbed alike, steered by the same networks, and prompted by
  // pictures of the same adapters.
  friend bool SameShape(const Told& a, const Told& b);

 private:
  static constexpr size_t kKinds = static_cast<size_t>(Condition::kChannels) + 1;

  std::array<at::Tensor, kKinds> tensors_;
  std::shared_ptr<const Perturbation> perturbation_;
  std::vector<Control> controls_;
  std::vector<PicturePrompt> picture_prompts_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_TOLD_H_
