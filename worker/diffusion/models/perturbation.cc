#include "worker/diffusion/models/perturbation.h"

#include <algorithm>

#include "worker/diffusion/models/transformer_paths.h"

namespace mind::diffusion {

bool Perturbation::Has(std::string_view path) const {
  return std::any_of(layers.begin(), layers.end(),
                     [&path](const std::string& layer) { return IsIn(path, layer); });
}

}  // namespace mind::diffusion
