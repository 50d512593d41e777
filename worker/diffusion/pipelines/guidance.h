// Classifier-free guidance, row by row: every request of a batch may have its own scale.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_

#include <ATen/ATen.h>

#include <vector>

#include "worker/diffusion/models/adapter.h"
#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/pipelines/call_number.h"

namespace mind::diffusion {

// The rows one evaluation of one trajectory needs, and how their answers become one.
struct Conditioning {
  // The request's own (and behind it, where that is, the same perturbed); before it, with guidance, the
  // negative or empty one; and before that, where the model is guided towards its picture too, the one that
  // is not shown the picture either.
  std::vector<Told> rows;
  AdapterSet adapters;  // all rows are computed with these
  double guidance = 1;
  double guidance_rescale = 0;
  double picture_guidance = 1;  // of three rows, from the first to the second
  // Of what a last row, which is the request's own perturbed (Told::perturbation), is worse by: so much is
  // added, and less by the fall for each training step that the noise is below the most. 0: there is no such
  // row.
  double perturbed_guidance = 0, perturbed_fall = 0;
  // Of the network's answer, the first so many channels are guided, the rest (a variance) are the request's
  // own row's; 0: all are guided.
  int64_t guided_channels = 0;
  // Tokens of the request's prompts that the text encoder had no room for.
  int64_t tokens_cut = 0;

  // The rows as one evaluation has them: controls act in some only.
  std::vector<Told> RowsAt(CallNumber call) const;
};

// outputs: one [C, H, W] for each of conditioning.rows, all at this timestep → [C, H, W].
// Ho & Salimans 2022, eq. 6; three rows: Brooks et al. 2023, eq. 3; perturbed: Ahn et al. 2024, eq. 14, and
// diffusers' pag_adaptive_scale; rescale: Lin et al. 2023, eq. 15-16 (diffusers rescale_noise_cfg).
at::Tensor Guide(const Conditioning& conditioning, const std::vector<at::Tensor>& outputs, double timestep);

// One evaluation outside any batch: the denoiser's answer to x [C, H, W] at a timestep, guidance in it; its
// answers to each of the rows.
at::Tensor EvaluateAlone(const Denoiser& denoiser, const Conditioning& conditioning, const at::Tensor& x,
                         double timestep);
std::vector<at::Tensor> EvaluateRows(const Denoiser& denoiser, const Conditioning& conditioning,
                                     const at::Tensor& x, double timestep);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_
