// Convolution of one picture (kernels.h): a product of the weights, as they are stored, and of what each
// pixel sees, brought into the order that tiles want a few hundred numbers of each at a time.
//
// A sum is taken over a few hundred terms in registers, put by, and goes on with the next: which ones,
// follows from the weights' shape alone, and how pixels and channels are divided changes no sum. Put by in
// lines of its own: those of y are often a power of two apart, and fall on the same few places of a cache.
#ifndef MIND_WORKER_DIFFUSION_KERNELS_CONVOLVE_H_
#define MIND_WORKER_DIFFUSION_KERNELS_CONVOLVE_H_

#include "worker/diffusion/kernels/kernels.h"
#include "worker/diffusion/kernels/tile.h"

namespace mind::diffusion::kernels {

template <typename Isa>
class Convolver {
  using S = Simd<Isa>;
  using Floats = typename S::Floats;
  static constexpr int64_t kLanes = S::kLanes, kRows = Isa::kRows;

 public:
  Convolver(const Convolution& convolution, int64_t first, int64_t last, float* scratch)
      : c_(convolution),
        first_(first),
        last_(last),
        panels_(last - first, kLanes),
        seen_(scratch),
        sums_(scratch + kMostVectors * kLanes * kConvolvedTerms) {}

  void Run(int64_t from, int64_t to) {
#if defined(__AVX512F__)
    if (SeesAlike()) FindSeen();
#endif
    const int64_t depth = c_.in * c_.kernel * c_.kernel;
    for (int64_t k = 0; k < depth; k += kConvolvedTerms) {
      const int64_t count = depth - k < kConvolvedTerms ? depth - k : kConvolvedTerms;
      float* sums = sums_;
      for (int64_t panel = 0; panel < panels_.panels; ++panel) {
        See(panel, k, count);
        for (int64_t channel = from; channel < to; channel += kRows) {
          Add(panel, channel, to, k, count, sums);
          sums += kRows * (panels_.First(panel + 1) - panels_.First(panel)) * kLanes;
        }
      }
    }
  }

 private:
  // Some pixels of one line of y.
  struct Stretch {
    int64_t y, x, count;
  };

#if defined(__AVX512F__)
  // Where y's lines are as long as x's, what a panel's pixels see at one of the kernel's places lies side by
  // side in x as they do in y, but for those at the edges, which see nothing. A vector at a time, of which
  // what is masked is not even looked at.
  static constexpr int64_t kMostPlaces = 49;
  bool SeesAlike() const {
    return kLanes == 16 && c_.stride == 1 && c_.out_width == c_.width && c_.kernel * c_.kernel <= kMostPlaces;
  }
  void FindSeen() {
    for (int64_t place = 0; place < c_.kernel * c_.kernel; ++place) {
      const int64_t down = place / c_.kernel - c_.padding, right = place % c_.kernel - c_.padding;
      int64_t y = first_ / c_.width, x = first_ % c_.width;
      uint32_t bits = 0;
      for (int64_t pixel = 0; pixel < panels_.vectors * kLanes; ++pixel) {
        const bool seen = first_ + pixel < last_ && y + down >= 0 && y + down < c_.height && x + right >= 0 &&
                          x + right < c_.width;
        bits |= static_cast<uint32_t>(seen) << (pixel % kLanes);
        if (pixel % kLanes == kLanes - 1) {
          sees_[place][pixel / kLanes] = static_cast<uint16_t>(bits);
          bits = 0;
        }
        if (++x == c_.width) {
          x = 0;
          ++y;
        }
      }
    }
  }
  void SeeAlike(int64_t panel, int64_t k, int64_t count) {
    const int64_t places = c_.kernel * c_.kernel, first = panels_.First(panel),
                  vectors = panels_.First(panel + 1) - first, wide = vectors * kLanes;
    for (int64_t place = 0; place < places; ++place) {
      const int64_t down = place / c_.kernel - c_.padding, right = place % c_.kernel - c_.padding;
      const int64_t begin = (place - k % places + places) % places;  // the first term at this place
      const float* from = c_.x + (k + begin) / places * (c_.height * c_.width) + first_ + first * kLanes +
                          down * c_.width + right;
      const uint16_t* const sees = sees_[place] + first;
      for (int64_t term = begin; term < count; term += places, from += c_.height * c_.width) {
        for (int64_t v = 0; v < vectors; ++v)
          _mm512_storeu_ps(seen_ + term * wide + v * kLanes,
                           _mm512_maskz_loadu_ps(sees[v], from + v * kLanes));
      }
    }
  }
  uint16_t sees_[kMostPlaces][kConvolvedPixels / kLanes];
#endif

  // What the pixels of a panel see, terms k and following.
  void See(int64_t panel, int64_t k, int64_t count) {
#if defined(__AVX512F__)
    if (SeesAlike()) return SeeAlike(panel, k, count);
#endif
    const int64_t first = first_ + panels_.First(panel) * kLanes;
    const int64_t wide = (panels_.First(panel + 1) - panels_.First(panel)) * kLanes;
    Stretch stretches[kMostVectors * kLanes];
    int64_t many = 0, there = 0;
    while (there < wide && first + there < last_) {
      const int64_t y = (first + there) / c_.out_width, x = (first + there) % c_.out_width;
      const int64_t rest = Less(c_.out_width - x, Less(wide - there, last_ - first - there));
      stretches[many++] = {y, x, rest};
      there += rest;
    }
    const int64_t places = c_.kernel * c_.kernel;
    float* to = seen_;
    for (int64_t term = k; term < k + count; ++term, to += wide) {
      const float* const channel = c_.x + term / places * (c_.height * c_.width);
      const int64_t place = term % places, down = place / c_.kernel - c_.padding,
                    right = place % c_.kernel - c_.padding;
      float* at = to;
      for (int64_t i = 0; i < many; ++i) {
        const Stretch& s = stretches[i];
        const int64_t line = s.y * c_.stride + down;
        if (line < 0 || line >= c_.height) {
          for (int64_t j = 0; j < s.count; ++j) at[j] = 0;
        } else {
          TakeLine(channel + line * c_.width, s.x * c_.stride + right, s.count, at);
        }
        at += s.count;
      }
      for (; at < to + wide; ++at) *at = 0;
    }
  }

  // Every stride-th number of a line from `x` on, zero beyond its ends.
  void TakeLine(const float* line, int64_t x, int64_t count, float* to) {
    if (c_.stride != 1) {
      for (int64_t j = 0; j < count; ++j, x += c_.stride) to[j] = x < 0 || x >= c_.width ? 0.0F : line[x];
      return;
    }
    int64_t j = 0;
    for (; j < count && x + j < 0; ++j) to[j] = 0;
    const int64_t end = Less(count, c_.width - x);
    const int64_t rest = end - j;
    if (rest >= kLanes) {
      for (; j + kLanes <= end; j += kLanes) S::Store(to + j, S::Load(line + x + j));
      if (j < end) S::Store(to + end - kLanes, S::Load(line + x + end - kLanes));
      j = end;
    }
    for (; j < end; ++j) to[j] = line[x + j];
    for (; j < count; ++j) to[j] = 0;
  }

  // `sums`: of this panel and channels, so far.
  void Add(int64_t panel, int64_t channel, int64_t to, int64_t k, int64_t count, float* sums) {
    const int64_t depth = c_.in * c_.kernel * c_.kernel, pixels = c_.out_height * c_.out_width;
    const int64_t live = Less(kRows, to - channel);
    const bool last = k + count == depth;
    const int64_t first = panels_.First(panel);
    const int64_t pixel = first_ + first * kLanes;
    const float* rows[kRows];
    float begin[kRows];
    // Rows behind the last repeat it and are left out at the end.
    for (int64_t r = 0; r < kRows; ++r) {
      const int64_t own = channel + Less(r, live - 1);
      rows[r] = c_.weight + own * depth + k;
      begin[r] = c_.bias != nullptr ? c_.bias[own] : 0.0F;
    }
    float* const y = c_.y + channel * pixels + pixel;
    const float* const seen = seen_;
    WithVectors(panels_.First(panel + 1) - first, [&](auto vectors) {
      constexpr int kVectors = decltype(vectors)::value;
      constexpr int64_t kWide = kVectors * kLanes;
      Floats sum[kRows][kVectors];
      if (k == 0) {
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sum[r][v] = S::All(begin[r]);
        }
      } else {
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sum[r][v] = S::Load(sums + r * kWide + v * kLanes);
        }
      }
      Accumulate<Isa>(rows, seen, count, kRows * depth, sum);
      const bool whole = last && live == kRows && pixel + kWide <= last_;
      float* const out = whole ? y : sums;
      const int64_t line = whole ? pixels : kWide;
#pragma GCC unroll 8
      for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) S::Store(out + r * line + v * kLanes, sum[r][v]);
      }
      if (!last || whole) return;
      const int64_t some = Less(kWide, last_ - pixel);
      for (int64_t r = 0; r < live; ++r)
        std::memcpy(y + r * pixels, sums + r * kWide, static_cast<size_t>(some) * sizeof(float));
    });
  }

  static int64_t Less(int64_t a, int64_t b) {
    return a < b ? a : b;
  }

  const Convolution& c_;
  const int64_t first_, last_;
  const Panels panels_;
  float* const seen_;  // [terms, pixels of a panel]
  float* const sums_;  // of all panels and channels, [kRows, pixels of a panel] each
};

}  // namespace mind::diffusion::kernels

#endif  // MIND_WORKER_DIFFUSION_KERNELS_CONVOLVE_H_
