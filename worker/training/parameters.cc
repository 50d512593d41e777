#include "worker/training/parameters.h"

#include <cmath>
#include <functional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/hash.h"
#include "worker/training/random.h"

namespace mind::training {
namespace {

bool EndsBranch(const std::string& layer) {
  // A denoiser's output is one too: beside what it is shown. An autoencoder's are not.
  return layer.ends_with("conv2") || layer.ends_with("proj_out") || layer == "conv_out" ||
         layer == "unet.conv_out";
}

}  // namespace

at::Tensor Parameters::Keep(const std::string& name, const at::Tensor& value) {
  return tensors_[name] = value.to(options_.device).contiguous().set_requires_grad(true);
}

at::Tensor Parameters::Take(const std::string& name, at::IntArrayRef shape) {
  if (const auto found = tensors_.find(name); found != tensors_.end()) return found->second;
  if (shape.size() < 2) return Keep(name, name.ends_with("weight") ? at::ones(shape) : at::zeros(shape));
  // By its name, not by the order in which the network asks.
  StepRandom random(options_.seed, -1, static_cast<int64_t>(diffusion::HashOf(name) >> 1));
  return Keep(name, random.Normal(shape) * options_.embedding_deviation);
}

at::Tensor Parameters::TakeLayerWeight(const std::string& layer, at::IntArrayRef shape) {
  const std::string name = layer + ".weight";
  if (const auto found = tensors_.find(name); found != tensors_.end()) return found->second;
  if (EndsBranch(layer)) return Keep(name, at::zeros(shape));
  const double fan_in = static_cast<double>(c10::multiply_integers(shape)) / static_cast<double>(shape[0]);
  StepRandom random(options_.seed, -1, static_cast<int64_t>(diffusion::HashOf(name) >> 1));
  return Keep(name, (random.Uniform(shape) * 2 - 1) / std::sqrt(fan_in));
}

int64_t Parameters::count() const {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors_) count += tensor.numel();
  return count;
}

void Parameters::Restore(const Tensors& values, const std::string& source) {
  CopyInto(tensors_, values, source);
}

void CopyInto(const Tensors& to, const Tensors& from, const std::string& source) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : to) {
    const auto found = from.find(name);
    if (found == from.end() || found->second.sizes() != tensor.sizes())
      throw diffusion::ModelError(source + ": \"" + name + "\" is missing or has another shape");
    tensor.copy_(found->second);
  }
}

}  // namespace mind::training
