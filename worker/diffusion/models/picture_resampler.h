// IP-Adapter Plus' way from a picture's patches to a few tokens: learnt queries that look at them, layer by
// layer. Reference: tencent-ailab/IP-Adapter ip_adapter/resampler.py Resampler; Jaegle et al. 2021
// (Perceiver).
#ifndef MIND_WORKER_DIFFUSION_MODELS_PICTURE_RESAMPLER_H_
#define MIND_WORKER_DIFFUSION_MODELS_PICTURE_RESAMPLER_H_

#include <string>
#include <vector>

#include "worker/diffusion/models/layers.h"
#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
class PictureResampler {
 public:
  // Its sizes are those of the tensors `stored` under `prefix`. `states`: numbers of a patch. Throws
  // ModelError.
  PictureResampler(const Scope& scope, const NamedTensors& stored, const std::string& prefix, int64_t states);

  // [B, patches, states] → [B, tokens, width()]
  at::Tensor operator()(const at::Tensor& states) const;
  int64_t width() const { return width_; }

 private:
  struct Layer {
    LayerNorm norm_patches, norm_tokens;
    Linear to_q, to_kv, to_out;
    LayerNorm norm_feed_forward;
    Linear in, out;
    int64_t heads;
  };

  int64_t width_;
  at::Tensor tokens_;  // [1, tokens, inner]
  Linear in_, out_;
  LayerNorm norm_out_;
  std::vector<Layer> layers_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PICTURE_RESAMPLER_H_
