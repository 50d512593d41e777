#include "worker/diffusion/weights/names/name_rules.h"

#include <algorithm>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

int64_t NumberAfter(const std::string& name, const std::string& prefix) {
  if (name.rfind(prefix, 0) != 0) return -1;
  const size_t end = name.find('.', prefix.size());
  const std::string number = name.substr(prefix.size(), end - prefix.size());
  const bool digits =
      !number.empty() && number.size() < 5 && number.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::stoll(number) : -1;
}

int64_t CountAfter(const NamedTensors& tensors, const std::string& prefix) {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors.tensors) count = std::max(count, NumberAfter(name, prefix) + 1);
  return count;
}

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
