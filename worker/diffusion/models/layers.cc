#include "worker/diffusion/models/layers.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/adapter.h"

namespace mind::diffusion {

Linear::Linear(const Scope& scope, int64_t in, int64_t out, bool bias)
    : weight_(scope.TakeLayerWeight({out, in})) {
  if (bias) bias_ = scope.Take("bias", {out});
}

at::Tensor Linear::operator()(const at::Tensor& x) const {
  at::Tensor y = bias_.defined() ? at::linear(x, weight_, bias_) : at::linear(x, weight_);
  AddActiveUpdates(weight_, x, y, [](const at::Tensor& row, const at::Tensor& weight, bool) {
    return at::linear(row, weight);
  });
  return y;
}

Conv2d::Conv2d(const Scope& scope, int64_t in, int64_t out, ConvShape shape)
    : weight_(scope.TakeLayerWeight({out, in, shape.kernel, shape.kernel})),
      bias_(scope.Take("bias", {out})),
      shape_(shape) {}

at::Tensor Conv2d::operator()(const at::Tensor& x) const {
  at::Tensor y = at::conv2d(x, weight_, bias_, shape_.stride, shape_.padding);
  AddActiveUpdates(weight_, x, y, [this](const at::Tensor& row, const at::Tensor& weight, bool first) {
    return first ? at::conv2d(row, weight, {}, shape_.stride, shape_.padding) : at::conv2d(row, weight);
  });
  return y;
}

GroupNorm::GroupNorm(const Scope& scope, int64_t groups, int64_t channels, double epsilon)
    : weight_(scope.Take("weight", {channels})),
      bias_(scope.Take("bias", {channels})),
      groups_(groups),
      epsilon_(epsilon) {
  if (groups < 1 || channels % groups != 0) {
    throw ModelError("a group norm over " + std::to_string(channels) + " channels cannot have " +
                     std::to_string(groups) + " groups: the groups must divide the channels");
  }
}

at::Tensor GroupNorm::operator()(const at::Tensor& x) const {
  return at::group_norm(x, groups_, weight_, bias_, epsilon_);
}

LayerNorm::LayerNorm(const Scope& scope, int64_t width, double epsilon)
    : weight_(scope.Take("weight", {width})), bias_(scope.Take("bias", {width})), epsilon_(epsilon) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  return at::layer_norm(x, {x.size(-1)}, weight_, bias_, epsilon_);
}

Embedding::Embedding(const Scope& scope, int64_t count, int64_t width)
    : weight_(scope.Take("weight", {count, width})) {}

at::Tensor Embedding::operator()(const at::Tensor& ids) const {
  return at::embedding(weight_, ids);
}

}  // namespace mind::diffusion
