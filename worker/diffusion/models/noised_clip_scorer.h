// CLIP of noised pictures: how close a picture at a noise level is to a text. Nichol et al. 2022, sec. 2.4;
// reference: openai/glide-text2im clip/.
#ifndef MIND_WORKER_DIFFUSION_MODELS_NOISED_CLIP_SCORER_H_
#define MIND_WORKER_DIFFUSION_MODELS_NOISED_CLIP_SCORER_H_

#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/models/scorer.h"

namespace mind::diffusion {

struct NoisedClipConfig {
  ClipTextConfig text;
  ClipVisionConfig vision;    // with timesteps
  double scale = 100;         // of the cosine
  std::string beta_schedule;  // of the noise it was trained with

  // The options of its config.yaml, as JSON. Throws ModelError.
  static NoisedClipConfig From(const Config& config);
};

// The score is the scale times the cosine between picture and text (kPooled, of length 1). Timesteps between
// training steps are taken for the nearest.
class NoisedClipScorer : public Scorer {
 public:
  // Parameters are taken under transformers' names of a CLIPModel (weights/names/glide_clip_names.h).
  NoisedClipScorer(const Scope& scope, const NoisedClipConfig& config);

  bool sees_clean() const override { return false; }
  int64_t side() const override { return vision_.config().image_size; }
  at::Tensor Score(const DenoiserInput& input) const override;

 private:
  double scale_;
  ClipVision vision_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_NOISED_CLIP_SCORER_H_
