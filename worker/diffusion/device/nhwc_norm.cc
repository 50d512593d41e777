#include "worker/diffusion/device/nhwc_norm.h"

#include <c10/core/GradMode.h>

#include <optional>
#include <vector>

#include "worker/diffusion/device/nhwc_norm_parts.h"
#include "worker/diffusion/error.h"

#if defined(MIND_CUDA_KERNELS)
#include <c10/core/DeviceGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "worker/diffusion/device/nhwc_norm_cuda.h"
#endif

namespace mind::diffusion {
namespace {

#if defined(MIND_CUDA_KERNELS)
constexpr bool kHasCudaKernels = true;

nhwc_norm::Element ElementOf(at::ScalarType type) {
  if (type == at::kFloat) return nhwc_norm::Element::kFloat;
  return type == at::kHalf ? nhwc_norm::Element::kHalf : nhwc_norm::Element::kBFloat16;
}

void OnCuda(const NhwcNormPlan& plan, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
            const NhwcNorm& norm, const at::Tensor& out) {
  const c10::DeviceGuard device(x.device());
  const at::Tensor partials =
      at::empty({x.size(0), plan.chunks, plan.groups, 2}, x.options().dtype(at::kFloat));
  const char* const wrong = nhwc_norm::Launch({.plan = plan,
                                               .element = ElementOf(x.scalar_type()),
                                               .rows = x.size(0),
                                               .x = x.data_ptr(),
                                               .weight = weight.data_ptr(),
                                               .bias = bias.data_ptr(),
                                               .partials = partials.data_ptr<float>(),
                                               .out = out.data_ptr(),
                                               .epsilon = static_cast<float>(norm.epsilon),
                                               .silu = norm.silu,
                                               .stream = c10::cuda::getCurrentCUDAStream().stream()});
  if (wrong != nullptr) throw Error(std::string("CUDA's group norm: ") + wrong);
}
#else
constexpr bool kHasCudaKernels = false;

void OnCuda(const NhwcNormPlan&, const at::Tensor&, const at::Tensor&, const at::Tensor&, const NhwcNorm&,
            const at::Tensor&) {
  throw Error("built without kernels for CUDA");
}
#endif

// All threads of a block, one after the other, up to a barrier.
template <typename Part>
void ForThreads(const NhwcNormPlan& plan, const Part& part) {
  for (int thread = 0; thread < plan.threads(); ++thread) part(thread);
}

template <typename T, int kLanes, bool kSilu>
void OnCpu(const NhwcNormPlan& plan, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
           float epsilon, const RunBlocks& run, const at::Tensor& out) {
  const size_t chunks = static_cast<size_t>(plan.chunks), blocks = static_cast<size_t>(x.size(0)) * chunks;
  const size_t row_numbers = static_cast<size_t>(plan.pixels * plan.channels);
  const size_t chunk_partials = 2 * static_cast<size_t>(plan.groups);
  const T* const from = static_cast<const T*>(x.data_ptr());
  T* const to = static_cast<T*>(out.data_ptr());
  const T* const scale = static_cast<const T*>(weight.data_ptr());
  const T* const shift = static_cast<const T*>(bias.data_ptr());
  std::vector<float> partials(blocks * chunk_partials);
  run(blocks, [&](size_t block) {
    std::vector<float> shared(static_cast<size_t>(plan.shared_floats()));
    const T* const row = from + block / chunks * row_numbers;
    const int chunk = static_cast<int>(block % chunks);
    ForThreads(plan, [&](int t) { nhwc_norm::SumPixels<T, kLanes>(plan, row, chunk, t, shared.data()); });
    ForThreads(plan, [&](int t) { nhwc_norm::JoinLevels(plan, chunk, t, shared.data()); });
    ForThreads(plan, [&](int t) {
      nhwc_norm::JoinChannels(plan, chunk, t, shared.data(), partials.data() + block * chunk_partials);
    });
  });
  run(blocks, [&](size_t block) {
    std::vector<float> shared(static_cast<size_t>(plan.shared_floats()));
    const size_t row = block / chunks;
    const float* const mine = partials.data() + row * chunks * chunk_partials;
    const int chunk = static_cast<int>(block % chunks);
    ForThreads(plan, [&](int t) { nhwc_norm::JoinChunks(plan, mine, t, shared.data()); });
    ForThreads(plan, [&](int t) { nhwc_norm::JoinParts(plan, epsilon, t, shared.data()); });
    ForThreads(plan, [&](int t) {
      nhwc_norm::Apply<T, kLanes, kSilu>(plan, from + row * row_numbers, scale, shift, chunk, t,
                                         shared.data(), to + row * row_numbers);
    });
  });
}

template <typename T, int kLanes>
void OnCpuWith(const NhwcNormPlan& plan, const at::Tensor& x, const at::Tensor& weight,
               const at::Tensor& bias, const NhwcNorm& norm, const RunBlocks& run, const at::Tensor& out) {
  const auto apply = norm.silu ? OnCpu<T, kLanes, true> : OnCpu<T, kLanes, false>;
  apply(plan, x, weight, bias, static_cast<float>(norm.epsilon), run, out);
}

template <typename T>
void OnCpuOf(const NhwcNormPlan& plan, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
             const NhwcNorm& norm, const RunBlocks& run, const at::Tensor& out) {
  const auto apply = plan.lanes == 8 ? OnCpuWith<T, 8> : OnCpuWith<T, 4>;
  apply(plan, x, weight, bias, norm, run, out);
}

std::optional<NhwcNormPlan> PlanOf(const at::Tensor& x, int64_t groups) {
  return PlanNhwcNorm(x.size(2) * x.size(3), x.size(1), groups, x.element_size());
}

bool IsAligned(const at::Tensor& x) {
  return reinterpret_cast<uintptr_t>(x.data_ptr()) % kNhwcNormLaneBytes == 0;
}

}  // namespace

bool HasNhwcNorm(const at::Tensor& x, const at::Tensor& weight, int64_t groups) {
  constexpr int64_t kMostRows = 65535;  // of a grid
  const at::ScalarType type = x.scalar_type();
  return x.dim() == 4 && x.numel() > 0 && x.size(0) <= kMostRows && !c10::GradMode::is_enabled() &&
         (x.is_cpu() || (kHasCudaKernels && x.is_cuda())) &&
         (type == at::kFloat || type == at::kHalf || type == at::kBFloat16) && type == weight.scalar_type() &&
         !x.is_contiguous() && x.is_contiguous(at::MemoryFormat::ChannelsLast) && IsAligned(x) &&
         PlanOf(x, groups);
}

at::Tensor NhwcNormed(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      const NhwcNorm& norm, const RunBlocks& run) {
  const NhwcNormPlan plan = *PlanOf(x, norm.groups);
  at::Tensor out = at::empty_like(x, at::MemoryFormat::ChannelsLast);
  if (x.is_cuda()) {
    OnCuda(plan, x, weight, bias, norm, out);
  } else if (x.scalar_type() == at::kFloat) {
    OnCpuOf<float>(plan, x, weight, bias, norm, run, out);
  } else if (x.scalar_type() == at::kHalf) {
    OnCpuOf<at::Half>(plan, x, weight, bias, norm, run, out);
  } else {
    OnCpuOf<at::BFloat16>(plan, x, weight, bias, norm, run, out);
  }
  return out;
}

}  // namespace mind::diffusion
