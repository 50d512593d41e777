#include "worker/diffusion/pipelines/adapter_library.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/weights/names/lora_names.h"

namespace mind::diffusion {

void AddLayersOf(const std::string& component, const FileParameters& weights, LayerWeights& layers) {
  for (const auto& [path, weight] : weights.layers()) layers[component + "." + path] = weight;
}

AdapterLibrary::AdapterLibrary(std::string folder, LayerWeights layers, FileParameters::Options options)
    : folder_(std::move(folder)), layers_(std::move(layers)), options_(options) {}

AdapterSet AdapterLibrary::Get(const std::vector<LoraUse>& wanted) const {
  AdapterSet set;
  if (wanted.empty()) return set;
  const std::map<std::string, std::string> files = SafeTensorsIn(folder_);
  for (const LoraUse& lora : wanted) {
    const auto file = files.find(lora.name);
    if (file == files.end()) throw RequestError("this model has no LoRA named \"" + lora.name + "\"");
    const std::string stamp = lora.name + "\n" + StampOfFile(file->second);
    set.push_back({adapters_.Get(stamp, [&] { return Load(file->second, stamp); }), lora.scale});
  }
  return set;
}

std::shared_ptr<const Adapter> AdapterLibrary::Load(const std::string& path, const std::string& stamp) const {
  auto adapter = std::make_shared<Adapter>(stamp);
  for (auto& [layer, update] : FromLora(ReadWeights(path), layers_)) {
    // Copied: the file may change under its mapping.
    const auto own = [&](const at::Tensor& tensor) {
      return tensor.defined() ? tensor.to(options_.tensor(), /*non_blocking=*/false, /*copy=*/true) : tensor;
    };
    adapter->Set(layers_.at(layer),
                 {own(update.down), own(update.up), update.factor, own(update.delta), own(update.bias)});
  }
  return adapter;
}

}  // namespace mind::diffusion
