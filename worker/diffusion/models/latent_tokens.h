// Latents as transformers take them: tokens, each a patch of p×p latents with all their channels.
#ifndef MIND_WORKER_DIFFUSION_MODELS_LATENT_TOKENS_H_
#define MIND_WORKER_DIFFUSION_MODELS_LATENT_TOKENS_H_

#include <ATen/ATen.h>

namespace mind::diffusion {

// How a token's numbers lie: channel by channel, each its patch line by line (FLUX, Qwen-Image), or latent by
// latent, each its channels (DiT, Z-Image).
enum class TokenOrder { kByChannel, kByLatent };

// x [B, C, h, w] → [B, (h/p)·(w/p), C·p·p], line by line of patches. REQUIRES: p divides h and w.
at::Tensor TokensOf(const at::Tensor& x, int64_t patch, TokenOrder order);

// And back: tokens [B, rows·columns, C·p·p] → [B, C, rows·p, columns·p].
at::Tensor LatentsOfTokens(const at::Tensor& tokens, int64_t rows, int64_t columns, int64_t patch,
                           TokenOrder order);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_LATENT_TOKENS_H_
