// Tensors of the same numbers are held once, whatever models they belong to: two that share a text encoder,
// be it in two copies on the disk, have one in memory.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_HELD_ONCE_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_HELD_ONCE_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <vector>

#include "worker/diffusion/mutex.h"

namespace mind::diffusion {

// Knows the weights of loaded models without keeping them: what no model holds any more is forgotten.
// Thread-safe.
class HeldOnce {
 public:
  // The tensor over the memory of one that is the same (type, device, shape, layout and every number), if
  // there is one in use, else as given. Either way a tensor of its own, which adapters know by itself.
  // Nobody may write to it. Looks at a few of its numbers; at all of them where they are those of another.
  at::Tensor Shared(const at::Tensor& fresh) MIND_EXCLUDES(mutex_);

  // Of the memory in use by what it was given, each counted once; tensors of less than 4096 numbers, which it
  // does not know, are not. Looks at each.
  int64_t bytes() const MIND_EXCLUDES(mutex_);

 private:
  struct Held {
    c10::weak_intrusive_ptr<c10::StorageImpl> storage;
    at::TensorOptions options;
    std::vector<int64_t> sizes, strides;
  };
  // The tensor, unless its memory was given back.
  static at::Tensor InUse(const Held& held);
  void Forget() MIND_REQUIRES(mutex_);

  mutable Mutex mutex_;
  std::multimap<uint64_t, Held> held_ MIND_GUARDED_BY(mutex_);  // by what they look like
  size_t known_ MIND_GUARDED_BY(mutex_) = 0;                    // how many there were when last looked at all
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_HELD_ONCE_H_
