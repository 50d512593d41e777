#include "worker/diffusion/weights/names/lora_names.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

enum class Part { kDown, kUp, kAlpha };

struct Ending {
  const char* text;
  Part part;
};
constexpr Ending kEndings[] = {{".lora_A.weight", Part::kDown},
                               {".lora_B.weight", Part::kUp},
                               {".lora.down.weight", Part::kDown},
                               {".lora.up.weight", Part::kUp},
                               {".lora_down.weight", Part::kDown},
                               {".lora_up.weight", Part::kUp},
                               {"_lora.down.weight", Part::kDown},
                               {"_lora.up.weight", Part::kUp},
                               {".alpha", Part::kAlpha}};

// Of programs that name a layer's path with "_" for ".", and the component each stands for.
constexpr std::pair<const char*, const char*> kFlatPrefixes[] = {
    {"lora_unet_", "unet."}, {"lora_te_", "text_encoder."}, {"lora_te1_", "text_encoder."}};

constexpr const char* kOtherKinds[] = {"dora_scale", "lora_magnitude_vector", "hada_w", "lokr_w", "lora_mid",
                                       "glora"};

// Layers by the flat names kohya's program gives them. The way back is not unique ("to_out_0"), so the layers
// there are decide.
std::map<std::string, std::string> FlatNames(const LayerWeights& layers) {
  std::map<std::string, std::string> names;
  for (const auto& [layer, weight] : layers) {
    for (const auto& [flat_prefix, component] : kFlatPrefixes) {
      const std::string prefix = component;
      if (layer.rfind(prefix, 0) != 0) continue;
      std::string flat = layer.substr(prefix.size());
      std::replace(flat.begin(), flat.end(), '.', '_');
      names[flat_prefix + flat] = layer;
    }
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
    for (const char* component : {"unet.", "text_encoder."}) {
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

struct Parts {
  std::array<at::Tensor, 3> tensors;  // by Part
  at::Tensor& operator[](Part part) { return tensors[static_cast<size_t>(part)]; }
};

StoredUpdate Shaped(const std::string& what, Parts parts, const at::Tensor& weight) {
  const at::Tensor &down = parts[Part::kDown], &up = parts[Part::kUp];
  if (!down.defined() || !up.defined()) {
    throw ModelError(what + (down.defined() ? ": has a down but no up part" : ": has no down part"));
  }
  const int64_t rank = down.dim() > 0 ? down.size(0) : 0;
  std::vector<int64_t> down_shape = weight.sizes().vec(), up_shape(weight.sizes().size(), 1);
  down_shape[0] = up_shape[1] = rank;
  up_shape[0] = weight.size(0);
  if (rank < 1 || !down.is_floating_point() || !up.is_floating_point() ||
      down.numel() != c10::multiply_integers(down_shape) || up.numel() != c10::multiply_integers(up_shape)) {
    throw ModelError(what + ": down " + ShapeText(down.sizes()) + " and up " + ShapeText(up.sizes()) +
                     " do not fit the layer's weight " + ShapeText(weight.sizes()));
  }
  return {down.reshape(down_shape), up.reshape(up_shape)};
}

}  // namespace

std::map<std::string, StoredUpdate> FromLora(const NamedTensors& file, const LayerWeights& layers) {
  const std::map<std::string, std::string> flat = FlatNames(layers);
  const AdapterMetadata metadata(file);
  std::map<std::string, Parts> parts;
  for (const auto& [name, tensor] : file.tensors) {
    for (const char* kind : kOtherKinds) {
      if (name.find(kind) != std::string::npos)
        throw UnsupportedError(file.source + ": \"" + name + "\" is of another kind than LoRA's down and up");
    }
    const auto ending = std::find_if(std::begin(kEndings), std::end(kEndings),
                                     [&name = name](const Ending& e) { return name.ends_with(e.text); });
    if (ending == std::end(kEndings))
      throw ModelError(file.source + ": \"" + name + "\" is no part of a LoRA");
    std::string layer = name.substr(0, name.size() - std::string(ending->text).size());
    constexpr std::string_view kProcessor = ".processor.";
    if (const size_t at = layer.find(kProcessor); at != std::string::npos) {
      layer.replace(at, kProcessor.size(), ".");
      if (layers.count(layer) == 0) layer += ".0";  // to_out
    }
    if (const auto found = flat.find(layer); found != flat.end()) layer = found->second;
    if (layers.count(layer) == 0) {
      throw ModelError(file.source + ": \"" + name +
                       "\" belongs to no layer of this model: it was made for a model of another kind");
    }
    parts[layer][ending->part] = tensor;
  }
  if (parts.empty()) throw ModelError(file.source + ": no LoRA in it");

  std::map<std::string, StoredUpdate> updates;
  for (auto& [layer, tensors] : parts) {
    StoredUpdate update = Shaped(file.source + ": \"" + layer + "\"", tensors, layers.at(layer));
    const double rank = static_cast<double>(update.down.size(0));
    const at::Tensor& alpha = tensors[Part::kAlpha];
    if (alpha.defined() && alpha.numel() != 1)
      throw ModelError(file.source + ": \"" + layer + ".alpha\" is not one number");
    update.factor =
        alpha.defined() ? alpha.to(at::kDouble).item<double>() / rank : metadata.Factor(layer, rank);
    if (!std::isfinite(update.factor))
      throw ModelError(file.source + ": \"" + layer + ".alpha\" is not a finite number");
    updates[layer] = std::move(update);
  }
  return updates;
}

}  // namespace mind::diffusion
