#include "worker/diffusion/models/activation.h"

namespace mind::diffusion {
namespace {

struct Name {
  const char* name;
  Activation activation;
};
constexpr Name kNames[] = {
    {"silu", Activation::kSilu},
    {"swish", Activation::kSilu},
    {"mish", Activation::kMish},
    {"relu", Activation::kRelu},
    {"gelu", Activation::kGelu},
    {"gelu-approximate", Activation::kGeluTanh},
    {"gelu_new", Activation::kGeluTanh},
    {"gelu_pytorch_tanh", Activation::kGeluTanh},
    {"quick_gelu", Activation::kQuickGelu},
};

}  // namespace

at::Tensor Activate(Activation activation, const at::Tensor& x) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu(x);
    case Activation::kMish:  // LibTorch 1.13 has it on a CPU in float32 alone
      return x.is_cpu() ? at::mish(x.to(at::kFloat)).to(x.scalar_type()) : at::mish(x);
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kGeluTanh:
      return at::gelu(x, "tanh");
    case Activation::kQuickGelu:
      return x * at::sigmoid(1.702 * x);
  }
  return x;
}

Activation ReadActivation(const Config& config, const std::string& key, Activation fallback) {
  if (config.Unset(key)) return fallback;
  const std::string given = config.String(key, "");
  std::string known;
  for (const Name& name : kNames) {
    if (given == name.name) return name.activation;
    known += std::string(known.empty() ? "" : ", ") + name.name;
  }
  config.Unsupported(key, known);
}

}  // namespace mind::diffusion
