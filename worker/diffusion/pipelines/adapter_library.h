// The LoRAs beside a loaded model: those that are there when they are asked for.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_ADAPTER_LIBRARY_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_ADAPTER_LIBRARY_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/models/adapter.h"
#include "worker/diffusion/pipelines/lru_cache.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

// A LoRA that a request asks for.
struct LoraUse {
  std::string name;
  double scale = 1;  // how much of it; 0: nothing, negative: the opposite
};

// Adds a component's layers to a model's, each path with its component before it ("unet.…").
void AddLayersOf(const std::string& component, const FileParameters& weights, LayerWeights& layers);

// Reads LoRA files on first use and keeps the last few. Thread-safe. Its adapters are of use with the model
// whose layers it was given, and only as long as that lives.
class AdapterLibrary {
 public:
  // `folder`: what they lie in, if it is there. `layers`: the model's (AddLayersOf).
  AdapterLibrary(std::string folder, LayerWeights layers, FileParameters::Options options);

  // Throws RequestError for a name there is no file of, ModelError for a file that does not fit the model.
  AdapterSet Get(const std::vector<LoraUse>& wanted) const;

 private:
  static constexpr size_t kKept = 16;

  std::shared_ptr<const Adapter> Load(const std::string& path, const std::string& stamp) const;

  const std::string folder_;
  const LayerWeights layers_;
  const FileParameters::Options options_;
  mutable LruCache<std::shared_ptr<const Adapter>> adapters_{kKept};
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_ADAPTER_LIBRARY_H_
