// Classifier-free guidance, row by row: every request of a batch may have its own scale.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "worker/diffusion/models/adapter.h"
#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/pipelines/call_number.h"

namespace mind::diffusion {

// The steps that guidance acts in, as shares of those that a trajectory takes: of n, from the begin·n-th to
// before the end·n-th, both rounded down. Kynkäänniemi et al. 2024, which says it in noise levels; in steps
// as diffusers' guiders do (start, stop).
struct GuidedSteps {
  double begin = 0, end = 1;

  bool all() const { return begin == 0 && end == 1; }
  bool Has(int64_t step, int64_t of) const { return Count(step, step + 1, of) > 0; }
  // How many of the steps from `from` to before `to`.
  int64_t Count(int64_t from, int64_t to, int64_t of) const {
    const auto bound = [of](double share) { return static_cast<int64_t>(share * static_cast<double>(of)); };
    return std::max<int64_t>(std::min(to, bound(end)) - std::max(from, bound(begin)), 0);
  }
};

// The steps that guidance away from a perturbed network acts in: of n, those whose number, from 0, is more
// than after·n and less than before·n, as diffusers' StableDiffusion3Pipeline has skip_layer_guidance_start
// and _stop.
struct PerturbedSteps {
  double after = -1;  // less than 0: from the first on
  double before = 1;

  bool all() const { return after < 0 && before == 1; }
  bool Has(int64_t step, int64_t of) const {
    return static_cast<double>(step) > after * static_cast<double>(of) &&
           static_cast<double>(step) < before * static_cast<double>(of);
  }
  // How many of the steps from `from` to before `to`.
  int64_t Count(int64_t from, int64_t to, int64_t of) const;
};

// What guidance adds, projected: so much of what it added in the evaluations before is added again, the whole
// is kept short, and of its part along the request's own answer, which saturates colours, some is left out.
// As diffusers' AdaptiveProjectedGuidance computes it; Sadat et al. 2024, alg. 1, which adds it to the
// request's own answer instead, less one of the scale.
struct Projection {
  double momentum = 0;  // between -1 and 1
  double longest = 0;   // its Euclidean norm; 0: any
  double along = 1;     // eta: the share of that part, 0 … 1

  bool none() const { return momentum == 0 && longest == 0 && along == 1; }
};

// How what the request shows is followed: away from what the model makes of the negative prompt, or of none.
struct Guidance {
  double scale = 1;    // 1: not at all
  double rescale = 0;  // 0 … 1, Lin et al. 2023, sec. 3.4
  GuidedSteps steps;
  Projection projection;
};

class PictureScorer;

// Beside guidance: a network whose gradient leads the picture (pipelines/picture_scorer.h).
struct Scoring {
  const PictureScorer* scorer = nullptr;  // the pipeline's own; null: none
  double scale = 0;
  Told target;
};

// The rows one evaluation of one trajectory needs, and how their answers become one.
struct Conditioning {
  // The request's own (and behind it, where that is, the same perturbed); before it, with guidance, the
  // negative or empty one; and before that, where the model is guided towards its picture too, the one that
  // is not shown the picture either.
  std::vector<Told> rows;
  AdapterSet adapters;  // all rows are computed with these
  Guidance guidance;
  double picture_guidance = 1;  // of three rows, from the first to the second
  // Of what a last row, which is the request's own perturbed (Told::perturbation), is worse by: so much is
  // added, and less by the fall for each training step that the noise is below the most. 0: there is no such
  // row.
  double perturbed_guidance = 0, perturbed_fall = 0;
  PerturbedSteps perturbed_steps;  // that it acts in; there is no such row in the others
  Scoring scoring;
  // Of the network's answer, the first so many channels are guided, the rest (a variance) are the request's
  // own row's; 0: all are guided.
  int64_t guided_channels = 0;
  // A guided answer is at most so many times as long (its Euclidean norm) as the request's own; 0: of any
  // length.
  double longest = 0;
  // Patches of so many latents each way, all channels together, are as long after guidance as they are in the
  // request's own answer; 0: as long as it makes them.
  int64_t kept_norms = 0;
  // Tokens of the request's prompts that the text encoder had no room for.
  int64_t tokens_cut = 0;

  // The rows as one evaluation has them: controls act in some only, and where guidance does not, there are no
  // rows that it leads away from.
  std::vector<Told> RowsAt(CallNumber call) const;
  // How many of them it has, of that perturbed.
  size_t RowCountAt(CallNumber call) const;
  bool PerturbedAt(CallNumber call) const;
  // The same on average of the steps from `from` to before `to`. REQUIRES: from < to <= steps
  double MeanRows(int64_t from, int64_t to, int64_t steps) const;

 private:
  // Those that guidance leads away from, before the request's own.
  size_t GuidingRows() const {
    const size_t own = perturbed_guidance > 0 ? 2 : 1;
    return rows.size() > own ? rows.size() - own : 0;
  }
};

// What guidance remembers of a trajectory between evaluations: the sum that has momentum, in the shape of x,
// never written to in place. Undefined: nothing yet, or ever.
using GuidanceMemory = at::Tensor;

// outputs: one [C, H, W] for each of conditioning.RowsAt(one evaluation), all at this timestep → [C, H, W].
// perturbed: conditioning.PerturbedAt(that evaluation).
// Ho & Salimans 2022, eq. 6; three rows: Brooks et al. 2023, eq. 3; perturbed: Ahn et al. 2024, eq. 14, and
// diffusers' pag_adaptive_scale; longest: diffusers ZImagePipeline's cfg_normalization; kept norms: diffusers
// QwenImagePipeline; rescale: Lin et al. 2023, eq. 15-16 (diffusers rescale_noise_cfg).
at::Tensor Guide(const Conditioning& conditioning, const std::vector<at::Tensor>& outputs, double timestep,
                 GuidanceMemory& memory, bool perturbed);
// Of an evaluation with all rows there are.
at::Tensor Guide(const Conditioning& conditioning, const std::vector<at::Tensor>& outputs, double timestep,
                 GuidanceMemory& memory);

// One evaluation outside any batch, without a memory and without a scorer: the denoiser's answer to x [C, H,
// W] at a timestep, guidance in it; its answers to each of the rows.
at::Tensor EvaluateAlone(const Denoiser& denoiser, const Conditioning& conditioning, const at::Tensor& x,
                         double timestep);
std::vector<at::Tensor> EvaluateRows(const Denoiser& denoiser, const Conditioning& conditioning,
                                     const at::Tensor& x, double timestep);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_
