#include "worker/diffusion/golden/record.h"

namespace mind::diffusion {
namespace {

struct Excuse {
  std::string_view prefix;
  const char* reason;
};

// The only tensors of a golden directory that are compared with nothing.
constexpr Excuse kExcuses[] = {
    {"tap.",
     "inside a network, recorded to find where it goes wrong: its outputs, which are compared, hang on it"},
    {"out.scaled", "latents as diffusers packs them into 8 bits: nothing here stores latents so"},
    {"fir_down_conv.", "filter and convolution in one, which no block of a published network has"},
    {"fir_up_conv.", "likewise"},
    {"variant_jax.", "another rule of the same authors: ours is that of the paper and of their PyTorch code"},
    {"out.diffusers.pooled",
     "diffusers looks for the largest id, which a learnt word has there: ours is the web UI's, which is "
     "compared"},
    {"error_norm", "inside an attempt: the step size that follows from it is compared"},
};

}  // namespace

const char* WhyNotCompared(std::string_view name) {
  for (const Excuse& excuse : kExcuses) {
    if (name.substr(0, excuse.prefix.size()) == excuse.prefix) return excuse.reason;
  }
  return nullptr;
}

at::Tensor Record::Get(const std::string& name) const {
  used_.insert(name);
  return file_.Get(name);
}

std::map<std::string, at::Tensor> Record::Under(const std::string& prefix) const {
  std::map<std::string, at::Tensor> found;
  for (const auto& [name, tensor] : file_.tensors()) {
    if (name.rfind(prefix, 0) == 0) found[name.substr(prefix.size())] = Get(name);
  }
  return found;
}

std::vector<std::string> Record::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file_.tensors()) names.push_back(name);
  return names;
}

std::vector<std::string> Record::Unused() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : file_.tensors()) {
    if (used_.count(name) == 0 && WhyNotCompared(name) == nullptr) names.push_back(name);
  }
  return names;
}

}  // namespace mind::diffusion
