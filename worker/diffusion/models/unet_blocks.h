// The levels of a UNet: down, middle, up. Shared by UNets and by the autoencoder (which passes no time
// embedding).
#ifndef MIND_WORKER_DIFFUSION_MODELS_UNET_BLOCKS_H_
#define MIND_WORKER_DIFFUSION_MODELS_UNET_BLOCKS_H_

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "worker/diffusion/models/resample.h"
#include "worker/diffusion/models/resnet_block.h"
#include "worker/diffusion/models/spatial_mixer.h"

namespace mind::diffusion {

// Builds the mixer that follows each residual block, from the scope of that mixer; empty where a level has
// none.
using MixerFactory = std::function<std::unique_ptr<SpatialMixer>(const Scope&)>;

class DownBlock {
 public:
  struct Options {
    int64_t in = 0;
    int64_t out = 0;
    int64_t layers = 1;
    bool downsample = true;  // not in the coarsest level
    int64_t downsample_padding = 1;
    ResnetOptions resnet;
  };

  DownBlock(const Scope& scope, const Options& options, const MixerFactory& mixer);
  // Appends the output of every layer, and of the downsampling, to `skips` if given.
  at::Tensor operator()(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                        std::vector<at::Tensor>* skips = nullptr) const;

 private:
  std::vector<ResnetBlock> resnets_;
  std::vector<std::unique_ptr<SpatialMixer>> mixers_;
  std::optional<Downsample> downsample_;
};

// resnet, mixer (if any), resnet.
class MiddleBlock {
 public:
  MiddleBlock(const Scope& scope, int64_t channels, const ResnetOptions& resnet, const MixerFactory& mixer);
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& time, const at::Tensor& context) const;

 private:
  ResnetBlock first_, second_;
  std::unique_ptr<SpatialMixer> mixer_;
};

class UpBlock {
 public:
  struct Options {
    std::vector<int64_t> in;  // input channels of each layer, skip connection included
    int64_t out = 0;
    bool upsample = true;  // not in the finest level
    ResnetOptions resnet;
  };

  UpBlock(const Scope& scope, const Options& options, const MixerFactory& mixer);
  // With `skips`, each layer takes the last of them as further input channels, and the upsampling meets the
  // size of the one that then is the last; without, it doubles.
  at::Tensor operator()(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                        std::vector<at::Tensor>* skips = nullptr) const;

 private:
  std::vector<ResnetBlock> resnets_;
  std::vector<std::unique_ptr<SpatialMixer>> mixers_;
  std::optional<Upsample> upsample_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_UNET_BLOCKS_H_
