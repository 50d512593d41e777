// CLIP as a scorer: how close a picture is to a text. Radford et al. 2021; Nichol et al. 2022, sec. 2.4.
#ifndef MIND_WORKER_DIFFUSION_MODELS_CLIP_SCORER_H_
#define MIND_WORKER_DIFFUSION_MODELS_CLIP_SCORER_H_

#include <array>

#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/models/scorer.h"

namespace mind::diffusion {

// What pictures are brought to before CLIP's image tower sees them.
struct ClipSight {
  int64_t shorter_side = 224;  // pixels that it is resized to
  int64_t side = 224;          // of the square that is cut out of the middle
  std::array<double, 3> mean = {}, deviation = {};
};

// exp(logit_scale) times the cosine between the picture and the text it is told (kPooled, of length 1): the
// logit of CLIP, as openai/glide-text2im's cond_fn. Trained on clean pictures, it sees an estimate of one; a
// grey picture as three equal colours.
class ClipScorer : public Scorer {
 public:
  // Parameters are taken under transformers' names of a CLIPModel.
  ClipScorer(const Scope& scope, const ClipVisionConfig& vision, const ClipSight& sight);

  bool sees_clean() const override { return true; }
  at::Tensor Score(const DenoiserInput& input) const override;

 private:
  at::Tensor Pixels(const at::Tensor& picture) const;

  ClipSight sight_;
  ClipVision vision_;
  at::Tensor logit_scale_;
};

// Vectors [.., P] of length 1.
at::Tensor OfLengthOne(const at::Tensor& vectors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_CLIP_SCORER_H_
