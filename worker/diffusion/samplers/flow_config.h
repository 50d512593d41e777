// How the noise levels of rectified-flow models are laid out and shifted. Lipman et al. 2023; Esser et al.
// 2024 (Stable Diffusion 3), sec. 3.1 and eq. 23. Reference: diffusers 0.42.1 FlowMatchEulerDiscreteScheduler
// and its kin, and the flow forms of its solvers.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_CONFIG_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_CONFIG_H_

#include <cstdint>
#include <optional>

namespace mind::diffusion {

enum class FlowLayout {
  // The flow-match classes': evenly over the training table, which is shifted already, and shifted again; …
  kTable,
  kSteps,  // … or evenly from 1 to 1 / steps, as some pipelines call them
  // Those of the solvers' flow forms.
  kUniPc,
  kDpmSolver,
  kDeis
};
// What mu of a shift by size hangs on: the tokens of the picture alone, along a line, or also on the steps,
// as fitted for FLUX.2.
enum class FlowMu { kLine, kFlux2 };

// Field by field the meaning is that of diffusers' key.
struct FlowConfig {
  FlowLayout layout = FlowLayout::kTable;
  double shift = 1;  // more than 1 gives the noisy end more steps
  std::optional<double> shift_terminal;
  bool inverted = false;  // told train_steps·(1 - sigma), answers with x0 - noise

  bool dynamic = false;       // shifted by mu instead of `shift`
  bool linear_shift = false;  // by mu itself, not e^mu
  FlowMu mu = FlowMu::kLine;
  double base_shift = 0.5, max_shift = 1.15;     // FlowMu::kLine: mu where a picture has …
  int64_t base_tokens = 256, max_tokens = 4096;  // … so many tokens
  int64_t patch = 2;                             // latents each way that are one token
  int64_t tokens = 4096;                         // of the picture (OfPicture)

  // What a pipeline says whose reference calls the scheduler with levels of its own, where the class takes
  // any.
  void SpaceBySteps() {
    if (layout == FlowLayout::kTable) layout = FlowLayout::kSteps;
  }
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_FLOW_CONFIG_H_
