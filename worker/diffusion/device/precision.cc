#include "worker/diffusion/device/precision.h"

#include <ATen/Context.h>
#include <c10/core/DeviceGuard.h>
#include <torch/version.h>

#include <array>

namespace mind::diffusion {
namespace {

struct Entry {
  Precision precision;
  const char* name;
  at::ScalarType type;
};
constexpr std::array<Entry, 4> kEntries = {{{Precision::kFloat32, "fp32", at::kFloat},
                                            {Precision::kTf32, "tf32", at::kFloat},
                                            {Precision::kBFloat16, "bf16", at::kBFloat16},
                                            {Precision::kFloat16, "fp16", at::kHalf}}};

const Entry& EntryOf(Precision precision) {
  return kEntries[static_cast<size_t>(precision)];
}

// Whether a GPU multiplies bfloat16. LibTorch asks it this of convolutions, in every version alike, and
// matrix products came with the same generation (compute capability 8.0).
bool HasBFloat16(at::Device device) {
  const c10::DeviceGuard current(device);
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

}  // namespace

const char kPrecisionNames[] = "fp32, tf32, bf16, fp16";

const char* NameOf(Precision precision) {
  return EntryOf(precision).name;
}

std::optional<Precision> PrecisionNamed(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (name == entry.name) return entry.precision;
  }
  return std::nullopt;
}

at::ScalarType TypeOf(Precision precision) {
  return EntryOf(precision).type;
}

Precision AutoencoderPrecision(Precision precision, bool force_upcast) {
  const bool reduced = TypeOf(precision) != at::kFloat;
  return reduced && force_upcast ? Precision::kFloat32 : precision;
}

Precision DefaultPrecision(at::Device device) {
  return device.is_cuda() && HasBFloat16(device) ? Precision::kBFloat16 : Precision::kFloat32;
}

std::string WhyNot(Precision precision, at::Device device) {
  if (device.is_cuda()) {
    if (precision == Precision::kBFloat16 && !HasBFloat16(device))
      return "this GPU has no bfloat16; allowed: fp32, tf32, fp16";
    return "";
  }
  if (precision == Precision::kTf32) return "TF32 is of CUDA devices; allowed on a CPU: fp32, bf16, fp16";
#if TORCH_VERSION_MAJOR < 2
  if (precision == Precision::kFloat16) {
    return "LibTorch " TORCH_VERSION
           " has no products of float16 on a CPU, LibTorch 2 has; allowed: fp32, bf16";
  }
#endif
  return "";
}

void ComputeIn(Precision precision) {
  const bool rounds = precision != Precision::kFloat32;
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(rounds);
  context.setAllowTF32CuBLAS(rounds);
  context.setAllowFP16ReductionCuBLAS(false);
#if TORCH_VERSION_MAJOR >= 2
  context.setAllowBF16ReductionCuBLAS(false);
#endif
}

}  // namespace mind::diffusion
