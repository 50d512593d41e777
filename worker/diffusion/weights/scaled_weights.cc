#include "worker/diffusion/weights/scaled_weights.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

constexpr std::string_view kScales[] = {".scale_weight", ".weight_scale"};
constexpr std::string_view kInputScales[] = {".scale_input", ".input_scale"};
constexpr std::string_view kQuantized = ".comfy_quant";
constexpr char kMarker[] = "scaled_fp8";

// Nothing where it does not end so.
std::string Without(std::string_view name, std::string_view end) {
  return name.ends_with(end) ? std::string(name.substr(0, name.size() - end.size())) : "";
}

// Its JSON in a tensor of bytes: {"format": "float8_e4m3fn"}.
void CheckFormat(const std::string& name, const at::Tensor& bytes, const std::string& source) {
  std::string format = "unreadable";
  if (bytes.scalar_type() == at::kByte && bytes.is_contiguous()) {
    const auto* const text = bytes.data_ptr<uint8_t>();
    const auto json = nlohmann::json::parse(text, text + bytes.numel(), nullptr, /*allow_exceptions=*/false);
    if (json.is_object() && json.contains("format") && json["format"].is_string()) format = json["format"];
  }
  if (format != "float8_e4m3fn" && format != "float8_e5m2") {
    throw UnsupportedError(source + ": \"" + name + "\" is of the format \"" + format.substr(0, 100) +
                           "\"; supported: float8_e4m3fn, float8_e5m2");
  }
}

at::Tensor Scaled(const at::Tensor& weight, const at::Tensor& scale, const std::string& name,
                  const std::string& source) {
  const bool one = scale.numel() == 1;
  const bool rows = weight.dim() > 0 && scale.numel() == weight.size(0);
  if (!scale.is_floating_point() || !weight.is_floating_point() || (!one && !rows)) {
    throw ModelError(source + ": \"" + name + "\" of shape " + ShapeText(scale.sizes()) +
                     " scales a weight of shape " + ShapeText(weight.sizes()) +
                     "; it must be one number or one a row, and both floating point");
  }
  std::vector<int64_t> beside(static_cast<size_t>(weight.dim()), 1);
  if (!one) beside.front() = scale.numel();
  return weight.to(at::kFloat) * scale.to(at::kFloat).reshape(one ? std::vector<int64_t>() : beside);
}

}  // namespace

NamedTensors WithScales(NamedTensors stored) {
  std::map<std::string, at::Tensor> left;
  std::map<std::string, std::string> scales;  // by the layer's weight
  for (auto& [name, tensor] : stored.tensors) {
    bool mark = name == kMarker || name.ends_with("." + std::string(kMarker));
    for (const std::string_view end : kScales) {
      if (const std::string layer = Without(name, end); !layer.empty())
        mark = true, scales[layer + ".weight"] = name;
    }
    for (const std::string_view end : kInputScales) mark = mark || name.ends_with(end);
    if (name.ends_with(kQuantized)) {
      CheckFormat(name, tensor, stored.source);
      mark = true;
    }
    if (!mark) left.emplace(name, tensor);
  }
  if (left.size() == stored.tensors.size()) return stored;
  for (const auto& [weight, scale] : scales) {
    const auto found = left.find(weight);
    if (found == left.end())
      throw ModelError(stored.source + ": \"" + scale + "\" scales \"" + weight + "\", which is not there");
    found->second = Scaled(found->second, stored.tensors.at(scale), scale, stored.source);
  }
  stored.tensors = std::move(left);
  return stored;
}

}  // namespace mind::diffusion
