#include "worker/diffusion/weights/scaled_weights.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/hadamard.h"

namespace mind::diffusion {
namespace {

constexpr std::string_view kScales[] = {".scale_weight", ".weight_scale"};
constexpr std::string_view kInputScales[] = {".scale_input", ".input_scale"};
constexpr std::string_view kQuantized = ".comfy_quant";
constexpr char kMarker[] = "scaled_fp8", kInHeader[] = "_quantization_metadata", kInt8[] = "int8_tensorwise";
constexpr int64_t kUsualRotation = 256;

// How a layer's weight is kept.
struct LayerFormat {
  std::string said_by;
  bool whole_numbers = false;
  int64_t rotation = 0;  // of how many inputs together; 0: they are not rotated
};

// Nothing where it does not end so.
std::string Without(std::string_view name, std::string_view end) {
  return name.ends_with(end) ? std::string(name.substr(0, name.size() - end.size())) : "";
}

// {"format": "int8_tensorwise", "convrot": true, "convrot_groupsize": 256}; `name`: what says so.
LayerFormat FormatSaid(const nlohmann::json& said, const std::string& name, const std::string& source) {
  std::string format = "unreadable";
  if (said.is_object() && said.contains("format") && said["format"].is_string()) format = said["format"];
  LayerFormat kept{.said_by = name, .whole_numbers = format == kInt8};
  if (!kept.whole_numbers && format != "float8_e4m3fn" && format != "float8_e5m2") {
    throw UnsupportedError(source + ": \"" + name + "\" is of the format \"" + format.substr(0, 100) +
                           "\"; supported: float8_e4m3fn, float8_e5m2, int8_tensorwise");
  }
  const auto rotated = said.find("convrot");
  if (!kept.whole_numbers || rotated == said.end() || *rotated == nlohmann::json(false)) return kept;
  const nlohmann::json side = said.value("convrot_groupsize", nlohmann::json(kUsualRotation));
  if (*rotated != nlohmann::json(true) || !side.is_number_integer() || !IsRotationSide(side.get<int64_t>())) {
    throw UnsupportedError(source + ": \"" + name + "\" rotates (convrot " + rotated->dump().substr(0, 100) +
                           ") groups of " + side.dump().substr(0, 100) +
                           "; supported: true, of 4, 16, 64, 256, 1024 or 4096");
  }
  kept.rotation = side.get<int64_t>();
  return kept;
}

// Its JSON in a tensor of bytes.
LayerFormat FormatSaid(const at::Tensor& bytes, const std::string& name, const std::string& source) {
  nlohmann::json said;
  if (bytes.scalar_type() == at::kByte && bytes.is_contiguous()) {
    const auto* const text = bytes.data_ptr<uint8_t>();
    said = nlohmann::json::parse(text, text + bytes.numel(), nullptr, /*allow_exceptions=*/false);
  }
  return FormatSaid(said, name, source);
}

// What the file's header says of its layers: {"layers": {"LAYER": {"format": …}}}.
std::map<std::string, LayerFormat> FormatsInHeader(const NamedTensors& stored) {
  std::map<std::string, LayerFormat> formats;
  const auto header = stored.metadata.find(kInHeader);
  if (header == stored.metadata.end()) return formats;
  const auto said = nlohmann::json::parse(header->second, nullptr, /*allow_exceptions=*/false);
  if (!said.is_object() || !said.contains("layers") || !said["layers"].is_object())
    throw ModelError(stored.source + ": its " + kInHeader + " is no JSON object of \"layers\"");
  for (const auto& [layer, format] : said["layers"].items()) {
    const std::string name = std::string(kInHeader) + " of " + layer;
    formats.emplace(layer + ".weight", FormatSaid(format, name, stored.source));
  }
  return formats;
}

at::Tensor Scaled(const at::Tensor& weight, const at::Tensor& scale, const LayerFormat& format,
                  const std::string& name, const std::string& source) {
  const bool one = scale.numel() == 1;
  const bool rows = weight.dim() > 0 && scale.numel() == weight.size(0);
  const bool kept_so = format.whole_numbers ? weight.scalar_type() == at::kChar : weight.is_floating_point();
  if (!scale.is_floating_point() || !kept_so || (!one && !rows)) {
    const auto found = [](const at::Tensor& tensor) {
      return std::string(" (found ") + at::toString(tensor.scalar_type()) + ")";
    };
    throw ModelError(
        source + ": \"" + name + "\" of shape " + ShapeText(scale.sizes()) + " scales a weight of shape " +
        ShapeText(weight.sizes()) + "; it must be one number or one a row, floating point" + found(scale) +
        ", and the weight " + (format.whole_numbers ? "int8" : "floating point, or int8 and said to be") +
        found(weight));
  }
  if (!scale.isfinite().all().item<bool>())
    throw ModelError(source + ": \"" + name + "\" holds what is no finite number");
  std::vector<int64_t> beside(static_cast<size_t>(weight.dim()), 1);
  if (!one) beside.front() = scale.numel();
  const at::Tensor whole =
      weight.to(at::kFloat) * scale.to(at::kFloat).reshape(one ? std::vector<int64_t>() : beside);
  if (format.rotation == 0) return whole;
  if (whole.dim() != 2 || whole.size(1) % format.rotation != 0 || whole.size(1) == 0) {
    throw ModelError(source + ": \"" + format.said_by + "\" rotates groups of " +
                     std::to_string(format.rotation) + " inputs of a weight of shape " +
                     ShapeText(whole.sizes()));
  }
  return RotatedBack(whole, format.rotation);
}

}  // namespace

NamedTensors WithScales(NamedTensors stored) {
  std::map<std::string, at::Tensor> left;
  std::map<std::string, std::string> scales;  // by the layer's weight
  std::map<std::string, LayerFormat> formats = FormatsInHeader(stored);
  for (auto& [name, tensor] : stored.tensors) {
    bool mark = name == kMarker || name.ends_with("." + std::string(kMarker));
    for (const std::string_view end : kScales) {
      if (const std::string layer = Without(name, end); !layer.empty())
        mark = true, scales[layer + ".weight"] = name;
    }
    for (const std::string_view end : kInputScales) mark = mark || name.ends_with(end);
    if (name.ends_with(kQuantized)) {
      formats[Without(name, kQuantized) + ".weight"] = FormatSaid(tensor, name, stored.source);
      mark = true;
    }
    if (!mark) left.emplace(name, tensor);
  }
  for (const auto& [weight, format] : formats) {
    if (format.whole_numbers && scales.count(weight) == 0)
      throw ModelError(stored.source + ": \"" + format.said_by + "\" is int8, but \"" + weight +
                       "\" has no scale");
  }
  if (left.size() == stored.tensors.size()) return stored;
  for (const auto& [weight, scale] : scales) {
    const auto found = left.find(weight);
    if (found == left.end())
      throw ModelError(stored.source + ": \"" + scale + "\" scales \"" + weight + "\", which is not there");
    found->second = Scaled(found->second, stored.tensors.at(scale), formats[weight], scale, stored.source);
  }
  stored.tensors = std::move(left);
  return stored;
}

}  // namespace mind::diffusion
