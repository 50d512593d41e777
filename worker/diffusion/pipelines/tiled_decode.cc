#include "worker/diffusion/pipelines/tiled_decode.h"

#include <algorithm>
#include <vector>

namespace mind::diffusion {
namespace {

// In the largest map of a decoder, which has several of its size at a time: 1 GiB in float32. Stable
// Diffusion's comes to it at 1448x1448.
constexpr int64_t kMostNumbers = int64_t{1} << 28;

// What two tiles share, over `dim` of maps [B, 3, H, W]: from all `before` to all `after`.
at::Tensor Blend(const at::Tensor& before, const at::Tensor& after, int64_t dim, int64_t overlap) {
  const int64_t extent = std::min({before.size(dim), after.size(dim), overlap});
  std::vector<int64_t> shape(4, 1);
  shape[static_cast<size_t>(dim)] = extent;
  const at::Tensor weight = (at::arange(extent, after.options()) / static_cast<double>(extent)).view(shape);
  const at::Tensor mixed = before.narrow(dim, before.size(dim) - extent, extent) * (1 - weight) +
                           after.narrow(dim, 0, extent) * weight;
  return at::cat({mixed, after.slice(dim, extent)}, dim);
}

}  // namespace

bool NeedsTiles(const AutoencoderConfig& config, int64_t height, int64_t width) {
  const int64_t pixels = height * width * config.reduction() * config.reduction();
  return pixels * config.channels.front() > kMostNumbers;
}

at::Tensor DecodeInTiles(const at::Tensor& latents, int64_t tile,
                         const std::function<at::Tensor(const at::Tensor&)>& decode) {
  const int64_t height = latents.size(2), width = latents.size(3), stride = tile * 3 / 4;
  std::vector<at::Tensor> above;  // the row of tiles before, as decoded
  std::vector<at::Tensor> rows;
  for (int64_t y = 0; y < height; y += stride) {
    std::vector<at::Tensor> row, shown;
    for (int64_t x = 0; x < width; x += stride) {
      const at::Tensor part = latents.slice(2, y, y + tile).slice(3, x, x + tile);
      const at::Tensor decoded = decode(part);
      const int64_t scale = decoded.size(2) / part.size(2), overlap = (tile - stride) * scale;
      at::Tensor piece = decoded;
      if (!above.empty()) piece = Blend(above[row.size()], piece, 2, overlap);
      if (!row.empty()) piece = Blend(row.back(), piece, 3, overlap);
      row.push_back(piece);
      shown.push_back(piece.slice(2, 0, stride * scale).slice(3, 0, stride * scale));
    }
    rows.push_back(at::cat(shown, 3));
    above = std::move(row);
  }
  return at::cat(rows, 2);
}

}  // namespace mind::diffusion
