#include "worker/diffusion/weights/parameters.h"

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

bool IsDerivedBuffer(const std::string& name) {
  return name.ends_with("position_ids") || name.ends_with(".num_batches_tracked");
}

}  // namespace

at::Tensor FileParameters::Take(const std::string& name, at::IntArrayRef shape) {
  return TakeAs(name, shape, options_.tensor());
}

at::Tensor FileParameters::TakeInFloat32(const std::string& name, at::IntArrayRef shape) {
  return TakeAs(name, shape, options_.tensor().dtype(at::kFloat));
}

at::Tensor FileParameters::TakeAs(const std::string& name, at::IntArrayRef shape,
                                  const at::TensorOptions& as) {
  const auto found = tensors_.tensors.find(name);
  if (found == tensors_.tensors.end()) {
    throw ModelError(tensors_.source + ": the model needs a tensor \"" + name + "\" of shape " +
                     ShapeText(shape) + ", the file has none");
  }
  const at::Tensor& stored = found->second;
  if (stored.sizes() != shape) {
    throw ModelError(tensors_.source + ": tensor \"" + name + "\" has shape " + ShapeText(stored.sizes()) +
                     ", the configuration asks for " + ShapeText(shape));
  }
  if (!stored.is_floating_point()) {
    throw ModelError(tensors_.source + ": tensor \"" + name + "\" holds integers, floating point is needed");
  }
  taken_.insert(name);
  // Copied even where nothing converts: the file may change under the mapping, and faults come now, not
  // mid-request.
  const bool channels_last = options_.channels_last && stored.dim() == 4;
  const at::Tensor taken =
      stored.to(as, /*non_blocking=*/false, /*copy=*/true,
                channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
  return options_.held != nullptr ? options_.held->Shared(taken) : taken;
}

at::Tensor FileParameters::TakeLayerWeight(const std::string& layer, at::IntArrayRef shape) {
  return layers_[layer] = ParameterSource::TakeLayerWeight(layer, shape);
}

void FileParameters::ExpectAllTaken() const {
  std::string left;
  int count = 0;
  for (const auto& [name, tensor] : tensors_.tensors) {
    if (taken_.count(name) != 0 || IsDerivedBuffer(name)) continue;
    if (++count <= 5) left += (left.empty() ? "\"" : ", \"") + name + "\"";
  }
  if (count > 0) {
    throw ModelError(tensors_.source + ": " + std::to_string(count) +
                     " tensors belong to no part of the configured network: " + left +
                     (count > 5 ? ", …" : ""));
  }
}

}  // namespace mind::diffusion
