#include "worker/diffusion/models/cpu_kernels.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "worker/diffusion/kernels/kernels.h"
#include "worker/diffusion/models/parts.h"

namespace mind::diffusion {
namespace {

// Below which a layer is done before a helper has woken up.
constexpr int64_t kLeastShared = int64_t{1} << 22;  // multiplications
constexpr int64_t kLeastMap = int64_t{1} << 18;     // numbers of a map
// Queries that see keys together: keys are brought into order once for all of them.
constexpr int64_t kQueries = 2048;

int64_t Pieces(int64_t whole, int64_t part) {
  return (whole + part - 1) / part;
}

// By those who help where it is worth their while.
void Share(bool large, int64_t count, const std::function<void(size_t)>& part) {
  if (large && count > 1) return InParts(static_cast<size_t>(count), part);
  for (int64_t i = 0; i < count; ++i) part(static_cast<size_t>(i));
}

at::Tensor Scratch(int64_t numbers) {
  return at::empty({numbers}, at::kFloat);
}

// Tokens whose numbers lie one behind the other.
at::Tensor InLines(const at::Tensor& tokens) {
  return tokens.stride(2) == 1 || tokens.size(2) == 1 ? tokens : tokens.contiguous();
}

// As many numbers for every head's queries, those of a query one behind the other.
at::Tensor MaskOf(const at::Tensor& mask, at::IntArrayRef shape) {
  at::Tensor lines = mask.to(at::kFloat);
  if (lines.size(-1) != shape.back() || lines.stride(-1) != 1) {
    std::vector<int64_t> own = lines.sizes().vec();
    own.back() = shape.back();
    lines = lines.expand(own).contiguous();
  }
  return lines.expand(shape);
}

}  // namespace

bool HasCpuKernels(const at::Tensor& x) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && !at::GradMode::is_enabled();
}

at::Tensor AttendOnCpu(const at::Tensor& given_q, const at::Tensor& given_k, const at::Tensor& given_v,
                       int64_t heads, const at::Tensor& mask) {
  const at::Tensor q = InLines(given_q), k = InLines(given_k), v = InLines(given_v);
  const int64_t batch = q.size(0), queries = q.size(1), keys = k.size(1), width = q.size(2) / heads;
  const at::Tensor out = at::empty(q.sizes(), q.options());
  const at::Tensor bias = mask.defined() ? MaskOf(mask, {batch, heads, queries, keys}) : at::Tensor();
  const int64_t blocks = Pieces(queries, kQueries);
  Share(queries * keys * width > kLeastShared, batch * heads * blocks, [&](size_t part) {
    const int64_t block = static_cast<int64_t>(part) % blocks,
                  head = static_cast<int64_t>(part) / blocks % heads,
                  row = static_cast<int64_t>(part) / blocks / heads, first = block * kQueries;
    kernels::Attention attention{
        .q = q.data_ptr<float>() + row * q.stride(0) + first * q.stride(1) + head * width,
        .k = k.data_ptr<float>() + row * k.stride(0) + head * width,
        .v = v.data_ptr<float>() + row * v.stride(0) + head * width,
        .q_line = q.stride(1),
        .k_line = k.stride(1),
        .v_line = v.stride(1),
        .out = out.data_ptr<float>() + row * out.stride(0) + first * out.stride(1) + head * width,
        .out_line = out.stride(1),
        .mask = nullptr,
        .mask_line = 0,
        .queries = std::min(kQueries, queries - first),
        .keys = keys,
        .width = width,
        .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)))};
    if (bias.defined()) {
      attention.mask =
          bias.data_ptr<float>() + row * bias.stride(0) + head * bias.stride(1) + first * bias.stride(2);
      attention.mask_line = bias.stride(2);
    }
    const at::Tensor scratch = Scratch(kernels::AttentionScratch(attention.queries, width));
    kernels::Best().attend(attention, scratch.data_ptr<float>());
  });
  return out;
}

at::Tensor ConvolveOnCpu(const at::Tensor& given, const at::Tensor& given_weight, const at::Tensor& bias,
                         int64_t stride, int64_t padding) {
  const at::Tensor x = given.contiguous(), weight = given_weight.contiguous();
  const int64_t kernel = weight.size(2);
  TORCH_CHECK(x.dim() == 4 && x.size(1) == weight.size(1), "a convolution of ", weight.size(1),
              " channels is given a map of shape ", x.sizes());
  const int64_t height = (x.size(2) + 2 * padding - kernel) / stride + 1,
                width = (x.size(3) + 2 * padding - kernel) / stride + 1;
  TORCH_CHECK(height > 0 && width > 0, "a map of shape ", x.sizes(), " is too small for a convolution by ",
              kernel, "x", kernel);
  const at::Tensor y = at::empty({x.size(0), weight.size(0), height, width}, x.options());
  const int64_t pixels = height * width, blocks = Pieces(pixels, kernels::kConvolvedPixels);
  const int64_t channels = weight.size(0), shares = Pieces(channels, kernels::kConvolvedChannels);
  const int64_t share = Pieces(Pieces(channels, shares), 8) * 8;  // whole tiles
  const bool large = pixels * channels * weight[0].numel() > kLeastShared;
  for (int64_t row = 0; row < x.size(0); ++row) {
    const kernels::Convolution convolution{.x = x.data_ptr<float>() + row * x.stride(0),
                                           .weight = weight.data_ptr<float>(),
                                           .bias = bias.defined() ? bias.data_ptr<float>() : nullptr,
                                           .y = y.data_ptr<float>() + row * y.stride(0),
                                           .in = x.size(1),
                                           .height = x.size(2),
                                           .width = x.size(3),
                                           .out = channels,
                                           .out_height = height,
                                           .out_width = width,
                                           .kernel = kernel,
                                           .stride = stride,
                                           .padding = padding};
    Share(large, blocks * shares, [&](size_t part) {
      const int64_t first = static_cast<int64_t>(part) / shares * kernels::kConvolvedPixels,
                    from = static_cast<int64_t>(part) % shares * share;
      const at::Tensor scratch = Scratch(kernels::kConvolutionScratch);
      kernels::Best().convolve(convolution, first, std::min(first + kernels::kConvolvedPixels, pixels), from,
                               std::min(from + share, channels), scratch.data_ptr<float>());
    });
  }
  return y;
}

at::Tensor GroupNormOnCpu(const at::Tensor& given, int64_t groups, const at::Tensor& weight,
                          const at::Tensor& bias, double epsilon, bool silu) {
  const at::Tensor x = given.contiguous();
  const at::Tensor y = at::empty(x.sizes(), x.options());
  const int64_t rows = x.size(0), channels = x.size(1);
  const int64_t numbers = rows > 0 ? x.numel() / rows : 0;
  if (numbers == 0) return y;
  Share(numbers > kLeastMap, rows * groups, [&](size_t part) {
    const int64_t row = static_cast<int64_t>(part) / groups, own = weight.dim() == 2 ? row * channels : 0;
    const kernels::GroupNorm norm{.x = x.data_ptr<float>() + row * numbers,
                                  .scale = weight.data_ptr<float>() + own,
                                  .shift = bias.data_ptr<float>() + own,
                                  .y = y.data_ptr<float>() + row * numbers,
                                  .channels = channels,
                                  .pixels = numbers / channels,
                                  .groups = groups,
                                  .epsilon = epsilon,
                                  .silu = silu};
    kernels::Best().group_norm(norm, static_cast<int64_t>(part) % groups);
  });
  return y;
}

at::Tensor GeluGateOnCpu(const at::Tensor& given) {
  const at::Tensor x = given.contiguous();
  std::vector<int64_t> shape = x.sizes().vec();
  const int64_t width = shape.back() / 2;
  shape.back() = width;
  const at::Tensor y = at::empty(shape, x.options());
  kernels::Best().gelu_gate(x.data_ptr<float>(), y.data_ptr<float>(), x.numel() / (2 * width), width);
  return y;
}

}  // namespace mind::diffusion
