// Latent diffusion in one file (CompVis, Stability AI): its tensors' names.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LATENT_DIFFUSION_NAMES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LATENT_DIFFUSION_NAMES_H_

#include <map>
#include <string>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// The parts of such a file under diffusers' and transformers' names, by their folders' names in the diffusers
// layout: unet, and as far as they are in it vae, text_encoder, of SDXL text_encoder_2, and of Stable unCLIP
// image_encoder and image_normalizer.
using LatentDiffusionParts = std::map<std::string, NamedTensors>;

// Whether the names are of this kind ("model.diffusion_model.", or without that where the UNet is alone in
// its file).
bool IsLatentDiffusion(const NamedTensors& tensors);

// The averaged copy ("model_ema.") and the schedule's buffers are left out. SD 2's OpenCLIP text tower has
// one layer more than was trained with: the last is left out. Reference: diffusers
// loaders/single_file_utils.py. Throws ModelError if there is no UNet.
LatentDiffusionParts FromLatentDiffusion(const NamedTensors& tensors);

// Whether the text encoder that becomes this part is OpenCLIP's.
bool HasOpenClip(const NamedTensors& tensors, const std::string& component);

// An autoencoder in a file of its own, under either names, "first_stage_model." before them or not. What only
// training needed is left out.
NamedTensors FromAutoencoder(const NamedTensors& tensors);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_LATENT_DIFFUSION_NAMES_H_
