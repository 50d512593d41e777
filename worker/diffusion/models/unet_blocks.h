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

// Builds the mixer that follows a level's residual block of this number, from the scope of that mixer; empty
// where a level has none.
using MixerFactory = std::function<std::unique_ptr<SpatialMixer>(const Scope&, size_t layer)>;

// How a level hands over to the next.
enum class Transition {
  kNone,         // the last level
  kConvolution,  // a strided convolution; up: nearest neighbour, then a convolution
  kResnet,       // a residual block that resizes inside (Dhariwal & Nichol 2021; GLIDE)
  // Such a block with the binomial filter, beside which the picture itself is resized and joins by a
  // convolution (NCSN++, Song et al. 2021, app. H: progressive inputs and outputs).
  kPyramid,
};

// What goes past the blocks, from the way down to the way up.
struct Carried {
  std::vector<at::Tensor> skips;  // the output of every layer and transition, finest first
  at::Tensor pyramid;  // [B, 3, H, W] with kPyramid: the picture down to here, then the one growing upwards
};

class DownBlock {
 public:
  struct Options {
    int64_t in = 0;
    int64_t out = 0;
    int64_t layers = 1;
    Transition transition = Transition::kConvolution;
    int64_t downsample_padding = 1;
    ResnetOptions resnet;
  };

  DownBlock(const Scope& scope, const Options& options, const MixerFactory& mixer);
  // `feature`, if defined, is added to what the last layer makes; in a level without mixers to what goes on
  // to the next level (diffusers' down_intrablock_additional_residuals).
  at::Tensor operator()(at::Tensor x, const Signals& signals, Carried* carried = nullptr,
                        const at::Tensor& feature = {}) const;

 private:
  std::vector<ResnetBlock> resnets_;
  std::vector<std::unique_ptr<SpatialMixer>> mixers_;
  std::optional<Downsample> downsample_;
  std::optional<ResnetBlock> resnet_down_;
  std::optional<Conv2d> pyramid_in_;
};

// resnet, mixer (if any), resnet; or, with one of them, that resnet alone.
class MiddleBlock {
 public:
  // `resnets`: 1 or 2.
  MiddleBlock(const Scope& scope, int64_t channels, const ResnetOptions& resnet, const MixerFactory& mixer,
              int64_t resnets = 2);
  at::Tensor operator()(const at::Tensor& x, const Signals& signals) const;

 private:
  ResnetBlock first_;
  std::optional<ResnetBlock> second_;
  std::unique_ptr<SpatialMixer> mixer_;
};

class UpBlock {
 public:
  struct Options {
    std::vector<int64_t> in;    // input channels of each layer, from below
    std::vector<int64_t> skip;  // and of the skip connection that joins them; 0: none
    int64_t out = 0;
    bool pyramid = false;  // one of kPyramid's levels: one mixer, after the last layer
    Transition transition = Transition::kConvolution;
    ResnetOptions resnet;
  };

  UpBlock(const Scope& scope, const Options& options, const MixerFactory& mixer);
  // With `carried`, each layer takes the last of the skip connections as further input channels, and the
  // upsampling meets the size of the one that then is the last; without, it doubles.
  at::Tensor operator()(at::Tensor x, const Signals& signals, Carried* carried = nullptr) const;

 private:
  void GrowPyramid(const at::Tensor& x, Carried& carried) const;

  bool pyramid_ = false;
  std::vector<ResnetBlock> resnets_;
  std::vector<std::unique_ptr<SpatialMixer>> mixers_;  // one a layer, or one after the last
  std::optional<Upsample> upsample_;
  std::optional<ResnetBlock> resnet_up_;
  std::optional<GroupNorm> pyramid_norm_;
  std::optional<Conv2d> pyramid_out_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_UNET_BLOCKS_H_
