// Pictures too large for an autoencoder in one piece: tile by tile, overlapping, blended where they meet.
// Reference: diffusers AutoencoderKL.tiled_decode, tiled_encode.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_TILES_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_TILES_H_

#include <ATen/ATen.h>

#include <functional>

#include "worker/diffusion/models/autoencoder_kl.h"

namespace mind::diffusion {

// Whether latents of this height and width, or the picture they stand for, take more in one piece than they
// should: memory for the largest maps, or work for the attention in the middle, which grows with the square.
bool NeedsTiles(const AutoencoderConfig& config, int64_t height, int64_t width);

// x [B, C, H, W] → what `map` makes of it, as much larger (or smaller) each way as it makes any part. `tile`
// pixels of x at a time each way; a quarter of every tile lies under the next one. Each tile is normalised on
// its own, so colours may drift a little between far tiles; the blending keeps edges from showing.
// Under a WrapScope the whole wraps, not each tile.
// REQUIRES: tile is a multiple of four times what `map` reduces by, and x's extents are multiples of that.
at::Tensor InTiles(const at::Tensor& x, int64_t tile,
                   const std::function<at::Tensor(const at::Tensor&)>& map);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_TILES_H_
