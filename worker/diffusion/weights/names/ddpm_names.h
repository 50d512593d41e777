// The report's own DDPM (abarankab/DDPM): its tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_DDPM_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_DDPM_NAMES_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Of a state dict of GaussianDiffusion ("model.", "ema_model." and the buffers of its schedule), the averaged
// network, under the names our UNet asks for. `layers` is num_res_blocks. Throws ModelError if it has none.
NamedTensors FromReportDdpm(const NamedTensors& state, int64_t layers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_DDPM_NAMES_H_
