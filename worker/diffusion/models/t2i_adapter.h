// T2I-Adapter: a small network that makes of a picture, once and whatever x is, what is added to a UNet's
// levels on their way down. Mou et al. 2023, sec. 3.3; reference: diffusers models/adapter.py T2IAdapter.
#ifndef MIND_WORKER_DIFFUSION_MODELS_T2I_ADAPTER_H_
#define MIND_WORKER_DIFFUSION_MODELS_T2I_ADAPTER_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct T2iAdapterConfig {
  // Where the resolution is halved: before every block but the first; before the third alone (SDXL's UNet has
  // no attention at its finest level); or likewise as the first, with blocks of a quarter of the channels.
  enum class Kind { kFull, kFullXl, kLight };

  Kind kind = Kind::kFull;
  int64_t picture_channels = 3;   // 3 or, of grey pictures, 1
  std::vector<int64_t> channels;  // of what each block makes
  int64_t layers = 2;             // of a block
  int64_t patch = 8;              // pixels a side that become channels

  // Before block `number`, from 0.
  bool Halves(size_t number) const { return kind == Kind::kFullXl ? number == 2 : number > 0; }

  // Its config.json. Throws ModelError.
  static T2iAdapterConfig From(const Config& config);
};

// Immutable after construction; any thread may call.
class T2iAdapter {
 public:
  // Parameters are taken under diffusers' names. Throws ModelError.
  T2iAdapter(const Scope& scope, const T2iAdapterConfig& config);

  // float [B, picture channels, H, W] in [0, 1], sides that are multiples of `patch` → one feature a block.
  std::vector<at::Tensor> operator()(const at::Tensor& picture) const;

  const T2iAdapterConfig& config() const { return config_; }

 private:
  struct Layer {
    Conv2d first, second;
  };
  struct Block {
    bool halves = false;
    std::optional<Conv2d> in, out;
    std::vector<Layer> layers;
  };

  Block MakeBlock(const Scope& scope, int64_t in, int64_t out, bool halves) const;

  T2iAdapterConfig config_;
  std::optional<Conv2d> conv_in_;
  std::vector<Block> blocks_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_T2I_ADAPTER_H_
