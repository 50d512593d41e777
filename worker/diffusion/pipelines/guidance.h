// Classifier-free guidance, row by row: every request of a batch may have its own scale.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_

#include <ATen/ATen.h>

#include <vector>

#include "worker/diffusion/models/adapter.h"
#include "worker/diffusion/models/denoiser.h"

namespace mind::diffusion {

// The rows one evaluation of one trajectory needs, and how their answers become one.
struct Conditioning {
  std::vector<Told> rows;  // the request's own; before it, with guidance, the negative or empty one
  AdapterSet adapters;     // all rows are computed with these
  double guidance = 1;
  double guidance_rescale = 0;
  // Of the network's answer, the first so many channels are guided, the rest (a variance) are the request's
  // own row's; 0: all are guided.
  int64_t guided_channels = 0;
  // Tokens of the request's prompts that the text encoder had no room for.
  int64_t tokens_cut = 0;
};

// outputs: one [C, H, W] for each of conditioning.rows → [C, H, W].
// Ho & Salimans 2022, eq. 6; rescale: Lin et al. 2023, eq. 15-16 (diffusers rescale_noise_cfg).
at::Tensor Guide(const Conditioning& conditioning, const std::vector<at::Tensor>& outputs);

// One evaluation outside any batch: the denoiser's answer to x [C, H, W] at a timestep, guidance in it.
at::Tensor EvaluateAlone(const Denoiser& denoiser, const Conditioning& conditioning, const at::Tensor& x,
                         double timestep);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_GUIDANCE_H_
