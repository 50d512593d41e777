// Perturbed attention: a row whose self-attention, in some layers, looks at nothing but itself. What guidance
// leads away from it is structure. Ahn et al. 2024 (PAG), sec. 4.
#ifndef MIND_WORKER_DIFFUSION_MODELS_PERTURBATION_H_
#define MIND_WORKER_DIFFUSION_MODELS_PERTURBATION_H_

#include <string>
#include <string_view>
#include <vector>

namespace mind::diffusion {

// Which layers: those whose path is one of these or begins with it, up to a "." or "_" ("mid",
// "down_blocks.1.attentions.0").
struct Perturbation {
  std::vector<std::string> layers;

  bool Has(std::string_view path) const;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PERTURBATION_H_
