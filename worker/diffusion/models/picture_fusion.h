// How a ControlNet that knows several kinds of pictures (edges, depth, a pose …) sees some of them at once.
// Reference: xinsir's ControlNet++; diffusers models/controlnets/controlnet_union.py ControlNetUnionModel.
#ifndef MIND_WORKER_DIFFUSION_MODELS_PICTURE_FUSION_H_
#define MIND_WORKER_DIFFUSION_MODELS_PICTURE_FUSION_H_

#include <vector>

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

struct PictureFusionConfig {
  int64_t kinds = 0;    // that there are; 0: the network knows one kind, and fuses nothing
  int64_t width = 320;  // of the features, as the network's first convolution makes them
  int64_t layers = 1;   // of the transformer
  int64_t waves = 256;  // sinusoids that say of one kind whether it is there
  SinusoidOptions sinusoid;

  // A ControlNetUnionModel's config.json, whose first convolution makes `width` channels. Throws ModelError.
  static PictureFusionConfig From(const Config& config, int64_t width);
};

// Immutable after construction; any thread may call.
class PictureFusion {
 public:
  PictureFusion(const Scope& scope, const PictureFusionConfig& config, int64_t time_width);

  // What joins the time embedding where pictures of these kinds are shown: [1, time width].
  at::Tensor TimeOf(const std::vector<int64_t>& kinds, const at::Tensor& like) const;
  // x [B, width, h, w], and of each kind's picture the features, in that shape → what is added to x.
  // `weights` [B, n], where each picture has its own in here; else undefined: there is one picture.
  at::Tensor operator()(const at::Tensor& x, const std::vector<at::Tensor>& pictures,
                        const std::vector<int64_t>& kinds, const at::Tensor& weights) const;

 private:
  struct Layer {
    LayerNorm norm1, norm2;
    at::Tensor values, value_bias;  // of the attention, which is of a token to itself alone
    Linear out, in, down;
  };

  PictureFusionConfig config_;
  TimestepMlp time_embedding_;
  at::Tensor kind_embedding_;  // [kinds, width]
  std::vector<Layer> layers_;
  Linear shift_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PICTURE_FUSION_H_
