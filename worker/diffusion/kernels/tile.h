// The product that all others are made of: eight rows by up to three vectors of columns, held in registers
// while k runs. With 16 lanes and 32 registers that is 24 sums, three vectors and one number spread over a
// fourth: two multiplications a cycle, whose operands are eleven loads every twelve cycles.
#ifndef MIND_WORKER_DIFFUSION_KERNELS_TILE_H_
#define MIND_WORKER_DIFFUSION_KERNELS_TILE_H_

#include "worker/diffusion/kernels/simd.h"

namespace mind::diffusion::kernels {

inline constexpr int64_t kMostVectors = 3;

// sum[r][v] += Σ_k rows[r][k] · panel[k][v], with `panel` of kVectors vectors a line. `ahead`: how far behind
// the rows those of the next tile lie, which are asked for meanwhile; 0: they are at hand.
template <typename Isa, int kVectors>
inline __attribute__((always_inline)) void Accumulate(
    const float* const (&rows)[Isa::kRows], const float* panel, int64_t length, int64_t ahead,
    typename Simd<Isa>::Floats (&sum)[Isa::kRows][kVectors]) {
  using S = Simd<Isa>;
  constexpr int64_t kLine = kVectors * S::kLanes;
  constexpr int64_t kStretch = 16;  // a line of the cache
  for (int64_t begin = 0; begin < length; begin += kStretch) {
    const int64_t end = length - begin < kStretch ? length : begin + kStretch;
    if (ahead != 0) {
#pragma GCC unroll 8
      for (int r = 0; r < Isa::kRows; ++r) __builtin_prefetch(rows[r] + ahead + begin);
    }
    for (int64_t k = begin; k < end; ++k, panel += kLine) {
      typename S::Floats columns[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        columns[v] = S::Load(panel + v * S::kLanes);
        __builtin_prefetch(panel + 8 * kLine + v * S::kLanes);
      }
#pragma GCC unroll 8
      for (int r = 0; r < Isa::kRows; ++r) {
        const typename S::Floats row = S::All(rows[r][k]);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sum[r][v] += row * columns[v];
      }
    }
  }
}

// How `columns` are divided into panels: as few as may be, of as equal widths as may be.
struct Panels {
  int64_t vectors, panels;
  Panels(int64_t columns, int64_t lanes)
      : vectors((columns + lanes - 1) / lanes), panels((vectors + kMostVectors - 1) / kMostVectors) {}
  // The first vector of a panel; of the one behind the last, how many there are.
  int64_t First(int64_t panel) const { return panel * vectors / panels; }
};

template <int kNumber>
struct Constant {
  static constexpr int value = kNumber;
};

// Calls work with the number of vectors, 1 to kMostVectors, as a constant.
template <typename Work>
inline __attribute__((always_inline)) void WithVectors(int64_t vectors, const Work& work) {
  switch (vectors) {
    case 1:
      return work(Constant<1>());
    case 2:
      return work(Constant<2>());
    default:
      return work(Constant<3>());
  }
}

}  // namespace mind::diffusion::kernels

#endif  // MIND_WORKER_DIFFUSION_KERNELS_TILE_H_
