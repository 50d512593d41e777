#include "worker/diffusion/pipelines/tiles.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "worker/diffusion/models/wrapping.h"

namespace mind::diffusion {
namespace {

// In the largest map of a decoder, which has several of its size at a time: 1 GiB in float32. Stable
// Diffusion's comes to it at 1448x1448.
constexpr int64_t kMostNumbers = int64_t{1} << 28;
// Multiplications of the attention in the middle, which looks from every latent at every other: also
// 1448x1448 for Stable Diffusion's, and 724x724 for an autoencoder as wide that reduces by four.
constexpr int64_t kMostLooks = int64_t{512} << 30;

// What two tiles share, over `dim` of maps [B, C, H, W]: from all `before` to all `after`.
at::Tensor Blend(const at::Tensor& before, const at::Tensor& after, int64_t dim, int64_t overlap) {
  const int64_t extent = std::min({before.size(dim), after.size(dim), overlap});
  std::vector<int64_t> shape(4, 1);
  shape[static_cast<size_t>(dim)] = extent;
  const at::Tensor weight = (at::arange(extent, after.options()) / static_cast<double>(extent)).view(shape);
  const at::Tensor mixed = before.narrow(dim, before.size(dim) - extent, extent) * (1 - weight) +
                           after.narrow(dim, 0, extent) * weight;
  return at::cat({mixed, after.slice(dim, extent)}, dim);
}

// Of a map without edges: no tile's edges are neighbours, so it gets a margin from across, which is cut off.
at::Tensor InWrappedTiles(const at::Tensor& x, int64_t tile,
                          const std::function<at::Tensor(const at::Tensor&)>& map) {
  const WrapScope plain(false);
  const int64_t margin = tile / 4;
  const at::Tensor whole = InTiles(Wrapped(x, margin), tile, map);
  const auto inner = [&](int64_t dim) {
    return std::pair(margin * whole.size(dim) / (x.size(dim) + 2 * margin),
                     x.size(dim) * whole.size(dim) / (x.size(dim) + 2 * margin));
  };
  const auto [top, height] = inner(2);
  const auto [left, width] = inner(3);
  return whole.narrow(2, top, height).narrow(3, left, width);
}

}  // namespace

bool NeedsTiles(const AutoencoderConfig& config, int64_t height, int64_t width) {
  const int64_t pixels = height * width * config.reduction() * config.reduction();
  const int64_t looks = height * width * height * width * config.channels.back();
  return pixels * config.channels.front() > kMostNumbers || (config.middle_attention && looks > kMostLooks);
}

at::Tensor InTiles(const at::Tensor& x, int64_t tile,
                   const std::function<at::Tensor(const at::Tensor&)>& map) {
  if (WrapScope::active()) return InWrappedTiles(x, tile, map);
  const int64_t height = x.size(2), width = x.size(3), stride = tile / 4 * 3;
  std::vector<at::Tensor> above;  // the row of tiles before, as mapped
  std::vector<at::Tensor> rows;
  for (int64_t top = 0; top < height; top += stride) {
    std::vector<at::Tensor> row, shown;
    for (int64_t left = 0; left < width; left += stride) {
      const at::Tensor part = x.slice(2, top, top + tile).slice(3, left, left + tile);
      at::Tensor piece = map(part);
      const int64_t out = piece.size(2), in = part.size(2);
      const int64_t overlap = (tile - stride) * out / in, step = stride * out / in;
      if (!above.empty()) piece = Blend(above[row.size()], piece, 2, overlap);
      if (!row.empty()) piece = Blend(row.back(), piece, 3, overlap);
      row.push_back(piece);
      shown.push_back(piece.slice(2, 0, step).slice(3, 0, step));
    }
    rows.push_back(at::cat(shown, 3));
    above = std::move(row);
  }
  return at::cat(rows, 2);
}

}  // namespace mind::diffusion
