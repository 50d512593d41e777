#include "worker/diffusion/weights/names/lora_names.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/names/original_layers.h"
#include "worker/diffusion/weights/names/unet_names.h"

namespace mind::diffusion {
namespace {

struct Ending {
  const char *text, *part;  // of lora_kinds.h
};
constexpr Ending kEndings[] = {
    {".lora_A.weight", "down"},  {".lora_B.weight", "up"},      {".lora.down.weight", "down"},
    {".lora.up.weight", "up"},   {".lora_down.weight", "down"}, {".lora_up.weight", "up"},
    {".lora_mid.weight", "mid"}, {"_lora.down.weight", "down"}, {"_lora.up.weight", "up"},
    {".alpha", "alpha"},         {".dora_scale", "dora_scale"}, {".diff", "diff"},
    {".diff_b", "diff_b"}};
// Parts whose names in the file are their own.
constexpr const char* kOwnNames[] = {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1",
                                     "hada_t2",   "lokr_w1",   "lokr_w1_a", "lokr_w1_b", "lokr_w2",
                                     "lokr_w2_a", "lokr_w2_b", "lokr_t1",   "lokr_t2"};

constexpr char kTransformer[] = "transformer.";
// Of programs that keep a transformer's paths, with its authors' names or diffusers': ComfyUI and AI Toolkit,
// PEFT by itself, and those who put nothing before them.
constexpr const char* kWholePrefixes[] = {"diffusion_model.", "base_model.model.", ""};

// Of programs that name a layer's path with "_" for ".", and the component each stands for.
constexpr std::pair<const char*, const char*> kFlatPrefixes[] = {
    {"lora_unet_", "unet."},       {"lora_unet_", kTransformer},   {"lora_transformer_", kTransformer},
    {"lora_te_", "text_encoder."}, {"lora_te1_", "text_encoder."}, {"lora_te2_", "text_encoder_2."}};

constexpr const char* kOtherKinds[] = {"lora_magnitude_vector", "glora"};

// The layer's name and the part of its update that a tensor is.
std::optional<std::pair<std::string, std::string>> LayerAndPart(const std::string& name) {
  for (const Ending& ending : kEndings) {
    const std::string text = ending.text;
    if (name.ends_with(text)) return std::pair{name.substr(0, name.size() - text.size()), ending.part};
  }
  for (const std::string part : kOwnNames) {
    if (name.ends_with("." + part)) return std::pair{name.substr(0, name.size() - part.size() - 1), part};
  }
  return std::nullopt;
}

std::string Flat(std::string path) {
  std::replace(path.begin(), path.end(), '.', '_');
  return path;
}

// Layers by other names than ours: the flat ones that kohya's program gives them, those of diffusers' names,
// and of a UNet's those of guided diffusion's, which it gives SDXL's; and of a transformer's those that have
// something else before them. The way back is not unique ("to_out_0"), so the layers there are
// decide.
std::map<std::string, std::string> OtherNames(const LayerWeights& layers) {
  std::map<std::string, std::string> names;
  for (const auto& [layer, weight] : layers) {
    for (const auto& [flat_prefix, component] : kFlatPrefixes) {
      const std::string prefix = component;
      if (layer.rfind(prefix, 0) == 0) names[flat_prefix + Flat(layer.substr(prefix.size()))] = layer;
    }
  }
  constexpr std::string_view kUNet = "unet.";
  std::vector<std::string> unet;
  for (const auto& [layer, weight] : layers) {
    if (layer.rfind(kUNet, 0) == 0) unet.push_back(layer.substr(kUNet.size()));
  }
  for (const auto& [ours, theirs] : GuidedDiffusionNames(unet))
    names["lora_unet_" + Flat(theirs)] = std::string(kUNet) + ours;
  for (const auto& [layer, weight] : layers) {
    if (layer.rfind(kTransformer, 0) != 0) continue;
    const std::string path = layer.substr(std::string_view(kTransformer).size());
    for (const char* const prefix : kWholePrefixes) names[prefix + path] = layer;
  }
  return names;
}

// Of a network that other programs keep with layers of its made one, what those are by the names they have in
// their files: kohya's, and those of programs that keep the authors'.
std::map<std::string, LayerShares> FusedNames(const LayerWeights& layers) {
  std::map<std::string, LayerShares> names;
  for (const auto& [original, shares] : OriginalLayers(layers, kTransformer)) {
    names["lora_unet_" + Flat(original)] = shares;
    for (const char* const prefix : kWholePrefixes) names[prefix + original] = shares;
  }
  return names;
}

// As PEFT writes them since diffusers 0.34, beside the tensors.
class AdapterMetadata {
 public:
  explicit AdapterMetadata(const NamedTensors& file) {
    const auto found = file.metadata.find("lora_adapter_metadata");
    if (found == file.metadata.end()) return;
    config_.emplace(ParsePythonJson(found->second, file.source + ": lora_adapter_metadata"),
                    file.source + ": lora_adapter_metadata");
    for (const char* component : {"unet.", "transformer.", "text_encoder.", "text_encoder_2."}) {
      if (config_->Bool(std::string(component) + "use_dora", false))
        config_->Unsupported(std::string(component) + "use_dora", "false");
    }
  }

  // alpha / rank of a layer of which the file itself has no alpha.
  double Factor(const std::string& layer, double rank) const {
    if (!config_) return 1;
    const std::string component = layer.substr(0, layer.find('.') + 1);
    const std::string path = layer.substr(component.size());
    double alpha = config_->Double(component + "lora_alpha", rank);
    if (const std::string key = component + "alpha_pattern"; !config_->Unset(key)) {
      const nlohmann::json& pattern = config_->at(key);
      if (!pattern.is_object()) config_->Unsupported(key, "an object of numbers by layer");
      for (const auto& [name, value] : pattern.items()) {
        if (!value.is_number()) config_->Unsupported(key, "an object of numbers by layer");
        if (path == name || path.ends_with("." + name)) alpha = value.get<double>();
      }
    }
    return config_->Bool(component + "use_rslora", false) ? alpha / std::sqrt(rank) : alpha / rank;
  }

 private:
  std::optional<Config> config_;
};

}  // namespace

std::map<std::string, StoredUpdate> FromLora(const NamedTensors& file, const LayerWeights& layers) {
  const std::map<std::string, std::string> others = OtherNames(layers);
  const std::map<std::string, LayerShares> fused = FusedNames(layers);
  const AdapterMetadata metadata(file);
  std::map<std::string, UpdateParts> parts;
  for (const auto& [name, tensor] : file.tensors) {
    for (const char* kind : kOtherKinds) {
      if (name.find(kind) != std::string::npos)
        throw UnsupportedError(file.source + ": \"" + name + "\" is of a kind that is not supported");
    }
    auto found = LayerAndPart(name);
    if (!found) throw ModelError(file.source + ": \"" + name + "\" is no part of a LoRA");
    auto& [layer, part] = *found;
    constexpr std::string_view kProcessor = ".processor.";
    if (const size_t at = layer.find(kProcessor); at != std::string::npos) {
      layer.replace(at, kProcessor.size(), ".");
      if (layers.count(layer) == 0) layer += ".0";  // to_out
    }
    if (const auto known = others.find(layer); known != others.end()) layer = known->second;
    if (layers.count(layer) == 0 && fused.count(layer) == 0) {
      throw ModelError(file.source + ": \"" + name +
                       "\" belongs to no layer of this model: it was made for a model of another kind");
    }
    parts[layer][part] = tensor;
  }
  if (parts.empty()) throw ModelError(file.source + ": no LoRA in it");

  std::map<std::string, StoredUpdate> updates;
  for (const auto& [layer, tensors] : parts) {
    const auto factor_of = [&, &layer = layer](double rank) { return metadata.Factor(layer, rank); };
    const std::string what = file.source + ": \"" + layer + "\"";
    if (const auto whole = fused.find(layer); whole != fused.end()) {
      const StoredUpdate update = UpdateOf(what, tensors, FusedWeight(whole->second, layers), factor_of);
      updates.merge(Parted(whole->second, update));
    } else {
      updates[layer] = UpdateOf(what, tensors, layers.at(layer), factor_of);
    }
  }
  return updates;
}

}  // namespace mind::diffusion
