#include "worker/diffusion/weights/names/wan_names.h"

#include "worker/diffusion/weights/names/name_rules.h"

namespace mind::diffusion {
namespace {

constexpr char kWanUpsamples[] = "decoder.upsamples.", kWanSign[] = "decoder.middle.0.residual.2.weight";
constexpr char kVideoSign[] = "decoder.mid_block.resnets.0.norm1.gamma";

const NameRules& WanLeaves() {
  static const NameRules* const rules = new NameRules{
      {"^conv1\\.", "quant_conv."},
      {"^conv2\\.", "post_quant_conv."},
      {"^(encoder|decoder)\\.conv1\\.", "$1.conv_in."},
      {"^(encoder|decoder)\\.head\\.0\\.", "$1.norm_out."},
      {"^(encoder|decoder)\\.head\\.2\\.", "$1.conv_out."},
      {"^(encoder|decoder)\\.middle\\.0\\.", "$1.mid_block.resnets.0."},
      {"^(encoder|decoder)\\.middle\\.1\\.", "$1.mid_block.attentions.0."},
      {"^(encoder|decoder)\\.middle\\.2\\.", "$1.mid_block.resnets.1."},
      {"^encoder\\.downsamples\\.", "encoder.down_blocks."},
      {"\\.residual\\.0\\.", ".norm1."},
      {"\\.residual\\.2\\.", ".conv1."},
      {"\\.residual\\.3\\.", ".norm2."},
      {"\\.residual\\.6\\.", ".conv2."},
      {"\\.shortcut\\.", ".conv_shortcut."},
  };
  return *rules;
}

// Wan counts the decoder's blocks through; a level ends with what enlarges. By those numbers, where each is.
std::vector<std::string> DecoderPlaces(const NamedTensors& tensors) {
  std::vector<std::string> places;
  int64_t level = 0, layer = 0;
  for (int64_t number = 0; number < CountAfter(tensors, kWanUpsamples); ++number) {
    const std::string up = "decoder.up_blocks." + std::to_string(level);
    if (tensors.HasPrefix(kWanUpsamples + std::to_string(number) + ".resample.")) {
      places.push_back(up + ".upsamplers.0");
      ++level;
      layer = 0;
    } else {
      places.push_back(up + ".resnets." + std::to_string(layer++));
    }
  }
  return places;
}

// Of the last frame.
at::Tensor OfOneFrame(const std::string& name, const at::Tensor& tensor) {
  if (name.ends_with(".gamma")) return tensor.flatten();
  return tensor.dim() == 5 ? tensor.select(2, tensor.size(2) - 1) : tensor;
}

}  // namespace

NamedTensors FromWanAutoencoder(const NamedTensors& tensors) {
  const bool wan = tensors.Has(kWanSign);
  if (!wan && !tensors.Has(kVideoSign)) return tensors;
  const std::vector<std::string> places = wan ? DecoderPlaces(tensors) : std::vector<std::string>();
  NamedTensors out{tensors.source, {}, tensors.metadata};
  for (const auto& [stored, tensor] : tensors.tensors) {
    if (stored.find(".time_conv.") != std::string::npos) continue;
    std::string name = stored;
    if (const int64_t number = wan ? NumberAfter(stored, kWanUpsamples) : -1; number >= 0) {
      const std::string prefix = kWanUpsamples + std::to_string(number);
      name = places[static_cast<size_t>(number)] + stored.substr(prefix.size());
    }
    if (wan) name = WanLeaves()(name);
    out.tensors[name] = OfOneFrame(name, tensor);
  }
  return out;
}

}  // namespace mind::diffusion
