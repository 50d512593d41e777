#include "worker/diffusion/models/latent_tokens.h"

namespace mind::diffusion {

at::Tensor TokensOf(const at::Tensor& x, int64_t patch, TokenOrder order) {
  const int64_t rows = x.size(2) / patch, columns = x.size(3) / patch;
  const at::Tensor patches = x.reshape({x.size(0), x.size(1), rows, patch, columns, patch});
  const at::Tensor ordered = order == TokenOrder::kByChannel ? patches.permute({0, 2, 4, 1, 3, 5})
                                                             : patches.permute({0, 2, 4, 3, 5, 1});
  return ordered.reshape({x.size(0), rows * columns, x.size(1) * patch * patch});
}

at::Tensor LatentsOfTokens(const at::Tensor& tokens, int64_t rows, int64_t columns, int64_t patch,
                           TokenOrder order) {
  const int64_t batch = tokens.size(0), channels = tokens.size(2) / (patch * patch);
  const at::Tensor latents =
      order == TokenOrder::kByChannel
          ? tokens.reshape({batch, rows, columns, channels, patch, patch}).permute({0, 3, 1, 4, 2, 5})
          : tokens.reshape({batch, rows, columns, patch, patch, channels}).permute({0, 5, 1, 3, 2, 4});
  return latents.reshape({batch, channels, rows * patch, columns * patch});
}

}  // namespace mind::diffusion
