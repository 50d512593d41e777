#include "worker/training/batch_order.h"

#include <numeric>
#include <utility>

#include "worker/training/random.h"

namespace mind::training {

void BatchOrder::Shuffle(int64_t epoch) {
  epoch_ = epoch;
  order_.resize(static_cast<size_t>(count_));
  std::iota(order_.begin(), order_.end(), 0);
  // Fisher and Yates. Not std::shuffle, which may differ from one library to the next; the modulo's bias is
  // of no account.
  for (size_t i = order_.size(); i > 1; --i)
    std::swap(order_[i - 1], order_[Mixed(seed_, static_cast<uint64_t>(epoch), i) % i]);
}

std::vector<int64_t> BatchOrder::At(int64_t first, int64_t size) {
  std::vector<int64_t> batch;
  for (int64_t i = first; i < first + size; ++i) {
    if (i / count_ != epoch_) Shuffle(i / count_);
    batch.push_back(order_[static_cast<size_t>(i % count_)]);
  }
  return batch;
}

}  // namespace mind::training
