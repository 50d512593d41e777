// Pictures too large to decode in one piece: tile by tile, overlapping, blended where they meet.
// Reference: diffusers AutoencoderKL.tiled_decode.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_TILED_DECODE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_TILED_DECODE_H_

#include <ATen/ATen.h>

#include <functional>

#include "worker/diffusion/models/autoencoder_kl.h"

namespace mind::diffusion {

// Whether latents of this height and width take more memory in one piece than decoding should.
bool NeedsTiles(const AutoencoderConfig& config, int64_t height, int64_t width);

// latents [B, C, h, w] → picture [B, 3, h·r, w·r], `tile` latents at a time each way. A quarter of every tile
// lies under the next one. Each tile is normalised on its own, so colours may drift a little between far
// tiles; the blending keeps edges from showing.
// REQUIRES: tile ≥ 4; decode makes [B, 3, n·r, m·r] of [B, C, n, m].
at::Tensor DecodeInTiles(const at::Tensor& latents, int64_t tile,
                         const std::function<at::Tensor(const at::Tensor&)>& decode);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_TILED_DECODE_H_
