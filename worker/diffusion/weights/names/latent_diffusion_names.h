// Latent diffusion in one file (CompVis, Stability AI): its tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LATENT_DIFFUSION_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LATENT_DIFFUSION_NAMES_H_

#include <map>
#include <string>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// The parts of such a file under diffusers' and transformers' names, by their folders' names in the diffusers
// layout: unet, vae, text_encoder, and of SDXL text_encoder_2.
using LatentDiffusionParts = std::map<std::string, NamedTensors>;

// Whether the names are of this kind ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.";
// "conditioner." of SDXL).
bool IsLatentDiffusion(const NamedTensors& tensors);

// `layers` is the residual blocks a level of the UNet has on the way down. The averaged copy ("model_ema.")
// and the schedule's buffers are left out. SD 2's OpenCLIP text tower has one layer more than was trained
// with: the last is left out. Reference: diffusers loaders/single_file_utils.py. Throws ModelError if a part
// is missing.
LatentDiffusionParts FromLatentDiffusion(const NamedTensors& tensors, int64_t layers);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LATENT_DIFFUSION_NAMES_H_
