// The first stage of Kandinsky 2.2: from a prompt, and from what is not to be seen, to the embeddings of a
// picture of each. Reference: diffusers KandinskyV22PriorPipeline.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_KANDINSKY_PRIOR_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_KANDINSKY_PRIOR_H_

#include <memory>
#include <string>
#include <vector>

#include "worker/diffusion/pipelines/unclip_prior.h"

namespace mind::diffusion {

// A prior that makes one vector or several at once: x is [P], or [n, P] with a prompt for each.
class SeveralPriors : public Denoiser {
 public:
  // `prior` outlives this.
  explicit SeveralPriors(const PriorTransformer& prior) : prior_(prior) {}
  at::Tensor operator()(const DenoiserInput& input) const override;

 private:
  const PriorTransformer& prior_;
};

// Its x is the prompt's embedding, [P]; or, where the stage after it is guided away from a negative prompt,
// [2, P]: the prompt's and the negative prompt's, both guided away from the negative prompt. Without one,
// that stage is guided away from a picture that is none (PictureOfNothing). The pictures that a request
// brings are that stage's.
class KandinskyPrior : public UnclipPrior {
 public:
  // The folders of a prior's parts, by what is before their names: "prior_" (KandinskyV22CombinedPipeline as
  // diffusers saves it), or "prior/", where a whole KandinskyV22PriorPipeline lies. `info`, `next`: as
  // UnclipPrior's. Throws ModelError.
  KandinskyPrior(const ModelDirectory& directory, const std::string& prefix, FileParameters::Options options,
                 ModelInfo info, std::unique_ptr<const Pipeline> next);

  const Denoiser& denoiser() const override { return several_; }
  std::vector<int64_t> ShapeFor(const PictureRequest& request, int64_t width, int64_t height) const override;
  Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const override;
  bool leaves_pictures() const override { return true; }

 private:
  SeveralPriors several_;
};

// The prefix of the prior's folders in a model directory: one of the two above. Throws ModelError where there
// is none.
std::string PriorPrefix(const ModelDirectory& directory);

// [P]: what the image encoder beside the prior makes of a picture whose numbers are all zero, which is what
// guidance leads away from. The encoder is loaded for this and no longer. Throws ModelError.
at::Tensor PictureOfNothing(const ModelDirectory& directory, const std::string& prefix,
                            FileParameters::Options options);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_KANDINSKY_PRIOR_H_
