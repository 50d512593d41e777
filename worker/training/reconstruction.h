// Pictures through an autoencoder and back: what its parts need for it, and how they are shown.
#ifndef MIND_WORKER_TRAINING_RECONSTRUCTION_H_
#define MIND_WORKER_TRAINING_RECONSTRUCTION_H_

#include <string>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/training/captioned_set.h"
#include "worker/training/random.h"

namespace mind::training {

// Latents as an encoder means them: mean + e^(log variance / 2) · noise, [B, C, h, w] all.
at::Tensor SampleLatents(const at::Tensor& mean, const at::Tensor& log_variance, StepRandom& random);

// Throws diffusion::ModelError unless the pictures have whole latents.
void ExpectWholeLatents(const CaptionedSet& set, const diffusion::AutoencoderConfig& config);

// A PNG file: rows of pictures, each above what becomes of them.
std::string DrawReconstructions(const diffusion::AutoencoderKl& autoencoder, const CaptionedSet& set,
                                at::Device device);

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_RECONSTRUCTION_H_
