#include "worker/diffusion/weights/names/name_rules.h"

#include "worker/diffusion/error.h"

namespace mind::diffusion {

void Unstack(const at::Tensor& stacked, const std::vector<std::string>& names, const std::string& leaf,
             int64_t heads, NamedTensors& out) {
  const int64_t parts = static_cast<int64_t>(names.size());
  const int64_t groups = std::max<int64_t>(heads, 1);
  if (stacked.dim() < 1 || stacked.size(0) % (parts * groups) != 0) {
    throw ModelError(out.source + ": the rows of a stacked " + leaf + " cannot be parted into " +
                     std::to_string(parts * groups));
  }
  std::vector<int64_t> shape = stacked.sizes().vec();
  shape.insert(shape.begin() + 1, {parts, shape[0] / (parts * groups)});
  shape[0] = groups;
  const at::Tensor parted = stacked.reshape(shape);
  for (int64_t i = 0; i < parts; ++i) {
    out.tensors[names[static_cast<size_t>(i)] + "." + leaf] = parted.select(1, i).flatten(0, 1);
  }
}

}  // namespace mind::diffusion
