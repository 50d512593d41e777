// What networks in float32 spend their time on, on a CPU: attention, convolutions, norms and gates over plain
// memory. LibTorch has each of them in parts, between which everything goes through memory once more.
//
// Each kernel is one text over vectors of any width (attend.h, convolve.h …), compiled once for every
// instruction set (avx512.cc, avx2.cc, baseline.cc); the best that the processor has is chosen at run time.
// No kernel starts threads or allocates, all may run at the same time, and what comes out does not depend on
// how the work was divided. Nothing here knows of tensors.
#ifndef MIND_WORKER_DIFFUSION_KERNELS_KERNELS_H_
#define MIND_WORKER_DIFFUSION_KERNELS_KERNELS_H_

#include <cstdint>

namespace mind::diffusion::kernels {

// softmax(scale · q kᵀ + mask) v of one head and some of its queries; Vaswani et al. 2017, eq. 1, by a
// running maximum and sum (Milakov & Gimelshein 2018), so that no more than kAttendedKeys logits of a query
// are held.
struct Attention {
  const float *q, *k, *v;  // [queries, width], [keys, width], [keys, width], each line as far from the next …
  int64_t q_line, k_line, v_line;  // … as this, in numbers
  float* out;                      // [queries, width]
  int64_t out_line;
  const float* mask;  // [queries, keys], added to the logits; null: none
  int64_t mask_line;  // 0: all queries have the same
  int64_t queries, keys, width;
  float scale;
};
inline constexpr int64_t kAttendedKeys = 288;
// Numbers of working memory that Attend wants.
int64_t AttentionScratch(int64_t queries, int64_t width);

// Σ over channels and the kernel's places of x · weight, + bias: of one picture.
struct Convolution {
  const float* x;       // [in, height, width]
  const float* weight;  // [out, in, kernel, kernel]
  const float* bias;    // [out]; null: none
  float* y;             // [out, out_height, out_width]
  int64_t in, height, width, out, out_height, out_width, kernel, stride, padding;
};
// Pixels of y, line after line, that are made in one go; where a part of the work may begin.
inline constexpr int64_t kConvolvedPixels = 240;
inline constexpr int64_t kConvolvedChannels = 320;  // of y, likewise
inline constexpr int64_t kConvolvedTerms = 384;     // that are summed in registers
inline constexpr int64_t kConvolutionScratch =
    48 * kConvolvedTerms + (kConvolvedPixels + 48) * (kConvolvedChannels + 8);  // numbers

// GroupNorm of one picture (Wu & He 2018), then x·sigmoid(x) where wanted. Mean and variance are summed in
// double over short sums of float.
struct GroupNorm {
  const float* x;              // [channels, pixels]
  const float *scale, *shift;  // [channels]
  float* y;                    // may be x
  int64_t channels, pixels, groups;
  double epsilon;
  bool silu;
};

struct Kernels {
  const char* name;
  void (*attend)(const Attention& attention, float* scratch);
  // Pixels `first` to `last` of channels `from` to `to`. REQUIRES: no more than kConvolvedPixels and
  // kConvolvedChannels; first is a multiple of kConvolvedPixels
  void (*convolve)(const Convolution& convolution, int64_t first, int64_t last, int64_t from, int64_t to,
                   float* scratch);
  void (*group_norm)(const GroupNorm& norm, int64_t group);
  // y[i] = x[i] · gelu(x[width + i]) of each of `lines` lines of 2·width numbers; gelu by the error function
  // (Hendrycks & Gimpel 2016).
  void (*gelu_gate)(const float* x, float* y, int64_t lines, int64_t width);
};

// The best that this processor has.
const Kernels& Best();
// Every one that it has, worst first; for tests and measurements. Ends with null.
const Kernels* const* All();

}  // namespace mind::diffusion::kernels

#endif  // MIND_WORKER_DIFFUSION_KERNELS_KERNELS_H_
