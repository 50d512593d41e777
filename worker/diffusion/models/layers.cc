#include "worker/diffusion/models/layers.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <utility>

#include "worker/diffusion/device/nhwc_norm.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/models/adapter.h"
#include "worker/diffusion/models/cpu_kernels.h"
#include "worker/diffusion/models/parts.h"
#include "worker/diffusion/models/products.h"
#include "worker/diffusion/models/wrapping.h"

namespace mind::diffusion {
namespace {

// Numbers that a convolution takes up at a time, of a larger map than that: 8 MiB.
constexpr int64_t kBand = int64_t{1} << 21;

// Whether LibTorch takes oneDNN for it, which on large maps is a fifth faster than a kernel of ours. It does
// so for no row alone by a 1x1 kernel, nor of a map of so few numbers (ATen native/Convolution.cpp,
// use_mkldnn).
constexpr int64_t kTakenByOneDnn = 20480;
bool GoesToOneDnn(const at::Tensor& x, ConvShape shape) {
  return shape.kernel > 1 && x[0].numel() > kTakenByOneDnn;
}

// On the CPU a large map is convolved in bands of lines (InParts), each with what it needs of its neighbours:
// what a library lays out anew of a band stays in the cache. Small maps and 1x1 kernels have one of ours.
at::Tensor Convolved(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, ConvShape shape) {
  if (x.dim() == 4 && x.size(0) > 0 && HasCpuKernels(x) && HasCpuKernels(weight) && !GoesToOneDnn(x, shape))
    return ConvolveOnCpu(x, weight, bias, shape.stride, shape.padding);
  const int64_t lines = std::max<int64_t>(kBand / (x.size(1) * x.size(3)), 1), padding = shape.padding;
  const int64_t bands = (x.size(2) + lines - 1) / lines;
  // Maps that wrap come padded.
  const bool in_bands = bands > 1 && shape.stride == 1 && 2 * padding + 1 == shape.kernel &&
                        !c10::GradMode::is_enabled() && x.is_cpu() && x.is_contiguous() &&
                        weight.is_contiguous();
  if (!in_bands) return ConvProduct(x, weight, bias, shape.stride, padding);
  const at::Tensor out = at::empty({x.size(0), weight.size(0), x.size(2), x.size(3)}, x.options());
  InParts(static_cast<size_t>(bands), [&](size_t band) {
    const int64_t top = static_cast<int64_t>(band) * lines, bottom = std::min(top + lines, x.size(2));
    const int64_t from = std::max<int64_t>(top - padding, 0), to = std::min(bottom + padding, x.size(2));
    at::Tensor part = x.narrow(2, from, to - from);
    const int64_t above = padding - (top - from), below = padding - (to - bottom);
    if (above + below > 0) part = at::constant_pad_nd(part, {0, 0, above, below});
    out.narrow(2, top, bottom - top)
        .copy_(ConvProduct(part, weight, bias, at::IntArrayRef{1, 1}, at::IntArrayRef{0, padding}));
  });
  return out;
}

// Whether a norm of such numbers must be given them in float32, lest it sum in their type. CUDA's kernels sum
// in float32 whatever they are given; not all of the CPU's do.
bool SumsTooCoarsely(at::ScalarType type, const at::Tensor& x) {
  return type != at::kFloat && x.is_cpu();
}

}  // namespace

at::Tensor InTypeOf(const at::Tensor& weight, const at::Tensor& x) {
  return weight.scalar_type() == at::kFloat ? x : x.to(weight.scalar_type());
}

Linear::Linear(const Scope& scope, int64_t in, int64_t out, bool bias)
    : weight_(scope.TakeLayerWeight({out, in})) {
  if (bias) bias_ = scope.Take("bias", {out});
}

at::Tensor Linear::operator()(const at::Tensor& given) const {
  const at::Tensor x = InTypeOf(weight_, given);
  at::Tensor y = LinearProduct(x, weight_, bias_);
  AddActiveUpdates(weight_, x, y, [](const at::Tensor& row, const at::Tensor& weight, bool) {
    return LinearProduct(row, weight);
  });
  return y;
}

Conv2d::Conv2d(const Scope& scope, int64_t in, int64_t out, ConvShape shape)
    : weight_(scope.TakeLayerWeight({out, in, shape.kernel, shape.kernel})),
      bias_(scope.Take("bias", {out})),
      shape_(shape) {}

at::Tensor Conv2d::operator()(const at::Tensor& given) const {
  at::Tensor x = InTypeOf(weight_, given);
  ConvShape shape = shape_;
  if (shape.padding > 0 && WrapScope::active()) x = Wrapped(x, std::exchange(shape.padding, 0));
  at::Tensor y = Convolved(x, weight_, bias_, shape);
  AddActiveUpdates(weight_, x, y, [&shape](const at::Tensor& row, const at::Tensor& weight, bool first) {
    return first ? ConvProduct(row, weight, {}, shape.stride, shape.padding) : ConvProduct(row, weight, {});
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
  if (const at::Tensor in = InTypeOf(weight_, x); HasNhwcNorm(in, weight_, groups_))
    return NhwcNormed(in, weight_, bias_, {.groups = groups_, .epsilon = epsilon_}, InParts);
  if (HasCpuKernels(x) && HasCpuKernels(weight_))
    return GroupNormOnCpu(x, groups_, weight_, bias_, epsilon_, /*silu=*/false);
  if (!SumsTooCoarsely(weight_.scalar_type(), x))
    return at::group_norm(InTypeOf(weight_, x), groups_, weight_, bias_, epsilon_);
  return at::group_norm(x.to(at::kFloat), groups_, weight_.to(at::kFloat), bias_.to(at::kFloat), epsilon_)
      .to(weight_.scalar_type());
}

at::Tensor GroupNorm::Activated(const at::Tensor& x, Activation activation) const {
  if (activation != Activation::kSilu) return Activate(activation, (*this)(x));
  if (const at::Tensor in = InTypeOf(weight_, x); HasNhwcNorm(in, weight_, groups_)) {
    return NhwcNormed(in, weight_, bias_, {.groups = groups_, .epsilon = epsilon_, .silu = true}, InParts);
  }
  if (HasCpuKernels(x) && HasCpuKernels(weight_))
    return GroupNormOnCpu(x, groups_, weight_, bias_, epsilon_, /*silu=*/true);
  return Activate(activation, (*this)(x));
}

at::Tensor GroupNorm::Modulated(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& shift,
                                Activation activation) const {
  if (activation == Activation::kSilu && HasCpuKernels(x) && HasCpuKernels(weight_)) {
    const at::Tensor larger = 1 + scale;
    return GroupNormOnCpu(x, groups_, weight_ * larger, bias_ * larger + shift, epsilon_, /*silu=*/true);
  }
  const auto as_map = [](const at::Tensor& rows) { return rows.unsqueeze(-1).unsqueeze(-1); };
  return Activate(activation, (*this)(x) * (1 + as_map(scale)) + as_map(shift));
}

LayerNorm::LayerNorm(const Scope& scope, int64_t width, double epsilon)
    : weight_(scope.Take("weight", {width})), bias_(scope.Take("bias", {width})), epsilon_(epsilon) {}

at::Tensor LayerNorm::operator()(const at::Tensor& x) const {
  if (!SumsTooCoarsely(weight_.scalar_type(), x))
    return at::layer_norm(InTypeOf(weight_, x), {x.size(-1)}, weight_, bias_, epsilon_);
  return at::layer_norm(x.to(at::kFloat), {x.size(-1)}, weight_.to(at::kFloat), bias_.to(at::kFloat),
                        epsilon_)
      .to(weight_.scalar_type());
}

at::Tensor LayerNormed(const at::Tensor& x, double epsilon) {
  const at::Tensor in = SumsTooCoarsely(x.scalar_type(), x) ? x.to(at::kFloat) : x;
  return at::layer_norm(in, {x.size(-1)}, {}, {}, epsilon).to(x.scalar_type());
}

Embedding::Embedding(const Scope& scope, int64_t count, int64_t width)
    : weight_(scope.Take("weight", {count, width})) {}

at::Tensor Embedding::operator()(const at::Tensor& ids) const {
  return at::embedding(weight_, ids);
}

}  // namespace mind::diffusion
