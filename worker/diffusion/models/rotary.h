// Where a token is, told to attention by turning its queries and keys: pairs of a head's numbers are taken
// for points of a plane and turned by the token's position times a frequency of the pair's own, so that the
// product of two tokens hangs on how far they are apart. Sources: Su et al. 2021, "RoFormer", eqs. 14, 15 and
// 34; diffusers models/embeddings.py get_1d_rotary_pos_embed, apply_rotary_emb.
#ifndef MIND_WORKER_DIFFUSION_MODELS_ROTARY_H_
#define MIND_WORKER_DIFFUSION_MODELS_ROTARY_H_

#include <ATen/ATen.h>

#include <vector>

namespace mind::diffusion {

// By how much each pair of numbers of a head is turned.
struct Rotation {
  at::Tensor cosines, sines;  // float [N, d/2] each, or [B, N, d/2]
};

// Positions on several axes (picture, row, column …). Immutable; any thread may use it.
class Rotary {
 public:
  // Each axis turns numbers of its own, as many of a head's d as `widths` says, in their order: pair i of an
  // axis of width w by theta^(-2i/w) a place. So FLUX, Z-Image, Qwen-Image; with one axis, language models.
  // REQUIRES: at least one width, all even and positive; theta > 0.
  static Rotary OfAxes(std::vector<int64_t> widths, double theta);
  // All axes share one run of frequencies, pair i of a head turning by theta^(-2i/d): the first sections[0]
  // pairs at the position on the first axis, the next sections[1] at that on the second … d is twice the sum.
  // So Qwen2-VL (Wang et al. 2024, sec. 2.1, "M-RoPE"). REQUIRES: at least one section, all positive.
  static Rotary OfSections(std::vector<int64_t> sections, double theta);

  // Positions int64 or float [N, axes] or [B, N, axes], negative ones too. The angles are in double: a far
  // place times a frequency keeps its fraction. Made on the positions' device, without waiting for it.
  Rotation At(const at::Tensor& positions) const;

  int64_t axes() const { return static_cast<int64_t>(pairs_.size()); }
  int64_t head_width() const;  // d

 private:
  Rotary(std::vector<int64_t> pairs, double theta, bool shared)
      : pairs_(std::move(pairs)), theta_(theta), shared_(shared) {}

  std::vector<int64_t> pairs_;  // of each axis
  double theta_;
  bool shared_;  // one run of frequencies
};

// Which numbers of a head are a pair: those next to each other (FLUX, Z-Image, Qwen-Image), or the i-th of
// either half (Llama, Qwen).
enum class RotaryPairs { kNeighbours, kHalves };

// x [B, N, heads, d], queries or keys → the same shape and type, computed in float32.
// REQUIRES: a rotation of N tokens (and of B rows, or of none) and of heads as wide.
at::Tensor Rotated(const at::Tensor& x, const Rotation& rotation,
                   RotaryPairs pairs = RotaryPairs::kNeighbours);

// The positions of a map's tokens, line by line: int64 [rows·columns, axes], `first` of as many axes but for
// the row's number added on the second axis and the column's on the third. REQUIRES: at least three axes.
at::Tensor GridPositions(const std::vector<int64_t>& first, int64_t rows, int64_t columns, at::Device device);

// The positions of tokens in a row: int64 [count, axes], `first`, then each `step` further.
// REQUIRES: as many axes in both.
at::Tensor LinePositions(const std::vector<int64_t>& first, const std::vector<int64_t>& step, int64_t count,
                         at::Device device);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_ROTARY_H_
