// Which examples each step sees.
#ifndef MIND_WORKER_TRAINING_BATCH_ORDER_H_
#define MIND_WORKER_TRAINING_BATCH_ORDER_H_

#include <cstdint>
#include <vector>

namespace mind::training {

// Every example once an epoch, in an order that follows from the seed and the epoch alone: a run that goes on
// in the middle of one sees what it would have seen. Not thread-safe.
class BatchOrder {
 public:
  // REQUIRES: count ≥ 1
  BatchOrder(int64_t count, uint64_t seed) : count_(count), seed_(seed) {}

  // The examples from the `first`-th of the whole run on, `size` of them.
  std::vector<int64_t> At(int64_t first, int64_t size);

 private:
  void Shuffle(int64_t epoch);

  const int64_t count_;
  const uint64_t seed_;
  int64_t epoch_ = -1;  // that `order_` is of
  std::vector<int64_t> order_;
};

}  // namespace mind::training

#endif  // MIND_WORKER_TRAINING_BATCH_ORDER_H_
