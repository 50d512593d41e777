// Attention of some queries of one head (kernels.h).
//
// A few hundred keys at a time are brought into the order that tiles want and seen by all queries, eight at a
// time, before the next are: logits, their exponentials and the values' sums of eight queries stay in the
// first cache, the keys and values in the second.
#ifndef MIND_WORKER_DIFFUSION_KERNELS_ATTEND_H_
#define MIND_WORKER_DIFFUSION_KERNELS_ATTEND_H_

#include "worker/diffusion/kernels/kernels.h"
#include "worker/diffusion/kernels/tile.h"

namespace mind::diffusion::kernels {

template <typename Isa>
class Attender {
  using S = Simd<Isa>;
  using Floats = typename S::Floats;
  static constexpr int64_t kLanes = S::kLanes, kRows = Isa::kRows;
  static constexpr float kNothing = -__builtin_inff();
  static constexpr float kLeast = -__FLT_MAX__;
  static constexpr float kLog2OfE = 1.44269504088896341F;  // e^x is 2 to the power of x times this

 public:
  Attender(const Attention& attention, float* scratch)
      : a_(attention),
        tiles_((a_.queries + kRows - 1) / kRows),
        values_(a_.width, kLanes),
        line_(values_.vectors * kLanes),
        queries_(scratch),
        sums_(queries_ + tiles_ * kRows * a_.width),
        largest_(sums_ + tiles_ * kRows * line_),
        totals_(largest_ + tiles_ * kRows),
        key_panels_(totals_ + tiles_ * kRows * kLanes),
        value_panels_(key_panels_ + (kAttendedKeys + kLanes) * a_.width),
        logits_(value_panels_ + kAttendedKeys * line_) {}

  void Run() {
    TakeQueries();
    for (int64_t key = 0; key < a_.keys; key += kAttendedKeys) {
      const int64_t count = a_.keys - key < kAttendedKeys ? a_.keys - key : kAttendedKeys;
      const Panels panels(count, kLanes);
      TakeKeys(key, count, panels);
      TakeValues(key, count);
      for (int64_t tile = 0; tile < tiles_; ++tile) {
        Logits(tile, key, count, panels);
        float kept[kRows];
        Exponentials(tile, panels.vectors, kept);
        AddValues(tile, count, kept);
      }
    }
    for (int64_t query = 0; query < a_.queries; ++query) {
      const float total = S::Sum(S::Load(totals_ + query * kLanes));
      const float* const sums = sums_ + query * line_;
      float* const out = a_.out + query * a_.out_line;
      for (int64_t i = 0; i < a_.width; ++i) out[i] = sums[i] / total;
    }
  }

 private:
  // Scaled; those behind the last are zero.
  void TakeQueries() {
    const float scale = a_.scale * kLog2OfE;
    for (int64_t query = 0; query < tiles_ * kRows; ++query) {
      float* const to = queries_ + query * a_.width;
      const float* const from = a_.q + query * a_.q_line;
      for (int64_t i = 0; i < a_.width; ++i) to[i] = query < a_.queries ? from[i] * scale : 0.0F;
      largest_[query] = kNothing;
    }
    std::memset(sums_, 0, static_cast<size_t>(tiles_ * kRows * line_) * sizeof(float));
    std::memset(totals_, 0, static_cast<size_t>(tiles_ * kRows * kLanes) * sizeof(float));
  }

  void TakeKeys(int64_t key, int64_t count, const Panels& panels) {
    for (int64_t panel = 0; panel < panels.panels; ++panel) {
      const int64_t first = panels.First(panel) * kLanes, wide = panels.First(panel + 1) * kLanes - first;
      float* const to = key_panels_ + first * a_.width;
      for (int64_t j = 0; j < wide; ++j) {
        const float* const from = a_.k + (key + first + j) * a_.k_line;
        const bool there = first + j < count;
        for (int64_t i = 0; i < a_.width; ++i) to[i * wide + j] = there ? from[i] : 0.0F;
      }
    }
  }

  void TakeValues(int64_t key, int64_t count) {
    for (int64_t panel = 0; panel < values_.panels; ++panel) {
      const int64_t first = values_.First(panel) * kLanes, wide = values_.First(panel + 1) * kLanes - first;
      const int64_t some = a_.width - first < wide ? a_.width - first : wide;
      float* to = value_panels_ + first * kAttendedKeys;
      for (int64_t j = 0; j < count; ++j, to += wide) {
        const float* const from = a_.v + (key + j) * a_.v_line + first;
        for (int64_t i = 0; i < wide; ++i) to[i] = i < some ? from[i] : 0.0F;
      }
    }
  }

  // Of a tile's queries and the keys in hand; keys behind the last get none.
  void Logits(int64_t tile, int64_t key, int64_t count, const Panels& panels) {
    const float* rows[kRows];
    for (int64_t r = 0; r < kRows; ++r) rows[r] = queries_ + (tile * kRows + r) * a_.width;
    for (int64_t panel = 0; panel < panels.panels; ++panel) {
      const int64_t first = panels.First(panel);
      WithVectors(panels.First(panel + 1) - first, [&](auto vectors) {
        constexpr int kVectors = decltype(vectors)::value;
        Floats sum[kRows][kVectors] = {};
        Accumulate<Isa>(rows, key_panels_ + first * kLanes * a_.width, a_.width, 0, sum);
        float* const logits = logits_ + first * kLanes;
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) S::Store(logits + r * kAttendedKeys + v * kLanes, sum[r][v]);
        }
      });
    }
    for (int64_t r = 0; r < kRows; ++r) {
      float* const logits = logits_ + r * kAttendedKeys;
      const int64_t query = tile * kRows + r;
      if (a_.mask != nullptr && query < a_.queries) {
        const float* const mask = a_.mask + query * a_.mask_line + key;
        for (int64_t i = 0; i < count; ++i) {
          // The least number there is stays one: a query all of whose keys are masked by it sees them alike.
          const float bias = mask[i] * kLog2OfE;
          logits[i] += bias < kLeast && mask[i] >= kLeast ? kLeast : bias;
        }
      }
      for (int64_t i = count; i < panels.vectors * kLanes; ++i) logits[i] = kNothing;
    }
  }

  // What the logits become, against the largest so far; and by how much what was summed before shrinks.
  void Exponentials(int64_t tile, int64_t vectors, float (&kept)[kRows]) {
    for (int64_t r = 0; r < kRows; ++r) {
      float* const logits = logits_ + r * kAttendedKeys;
      const int64_t query = tile * kRows + r;
      Floats most = S::Load(logits);
      for (int64_t v = 1; v < vectors; ++v) most = S::Larger(S::Load(logits + v * kLanes), most);
      const float before = largest_[query], found = S::Largest(most);
      const float now = found > before ? found : before;
      // Where all keys are masked so far there is nothing to take off.
      const Floats base = S::All(now == kNothing ? 0.0F : now);
      largest_[query] = now;
      const Floats shrink = S::PowerOfTwo(S::All(before) - base);
      Floats total = S::Load(totals_ + query * kLanes) * shrink;
      for (int64_t v = 0; v < vectors; ++v) {
        const Floats e = S::PowerOfTwo(S::Load(logits + v * kLanes) - base);
        S::Store(logits + v * kLanes, e);
        total += e;
      }
      S::Store(totals_ + query * kLanes, total);
      kept[r] = shrink[0];
    }
  }

  void AddValues(int64_t tile, int64_t count, const float (&kept)[kRows]) {
    const float* rows[kRows];
    for (int64_t r = 0; r < kRows; ++r) rows[r] = logits_ + r * kAttendedKeys;
    for (int64_t panel = 0; panel < values_.panels; ++panel) {
      const int64_t first = values_.First(panel);
      WithVectors(values_.First(panel + 1) - first, [&](auto vectors) {
        constexpr int kVectors = decltype(vectors)::value;
        const int64_t line = line_;
        float* const sums = sums_ + tile * kRows * line + first * kLanes;
        Floats sum[kRows][kVectors];
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) sum[r][v] = S::Load(sums + r * line + v * kLanes) * kept[r];
        }
        Accumulate<Isa>(rows, value_panels_ + first * kLanes * kAttendedKeys, count, 0, sum);
#pragma GCC unroll 8
        for (int64_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
          for (int v = 0; v < kVectors; ++v) S::Store(sums + r * line + v * kLanes, sum[r][v]);
        }
      });
    }
  }

  const Attention& a_;
  const int64_t tiles_;
  const Panels values_;
  const int64_t line_;  // of sums: the width, in whole vectors
  float* const queries_;
  float* const sums_;          // of values
  float* const largest_;       // logit of each query
  float* const totals_;        // of exponentials, a vector a query
  float* const key_panels_;    // [width, some keys] each
  float* const value_panels_;  // [keys, part of the width] each
  float* const logits_;        // [kRows, kAttendedKeys], then their exponentials
};

}  // namespace mind::diffusion::kernels

#endif  // MIND_WORKER_DIFFUSION_KERNELS_ATTEND_H_
