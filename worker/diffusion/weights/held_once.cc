#include "worker/diffusion/weights/held_once.h"

#include <algorithm>
#include <iterator>
#include <string>

#include "worker/diffusion/hash.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kSmallestShared = 4096;  // numbers; below, knowing it costs about what it holds
constexpr int64_t kLookedAt = 64;          // of its numbers

// The same for the same tensors; seldom for others.
uint64_t LookOf(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.as_strided({tensor.numel()}, {1});
  const int64_t stride = std::max<int64_t>(tensor.numel() / kLookedAt, 1);
  const at::Tensor some = flat.slice(0, 0, tensor.numel(), stride).cpu().contiguous();
  uint64_t hash = HashOf({static_cast<const char*>(some.data_ptr()), some.nbytes()});
  for (const int64_t number : tensor.sizes()) hash = HashOf(std::to_string(number) + " ", hash);
  return hash;
}

}  // namespace

at::Tensor HeldOnce::Shared(const at::Tensor& fresh) {
  // Elsewhere than at the beginning of memory without gaps it would not be known again.
  const bool whole = fresh.is_non_overlapping_and_dense() && fresh.storage_offset() == 0 &&
                     fresh.storage().nbytes() == fresh.nbytes();
  if (fresh.numel() < kSmallestShared || !whole) return fresh;
  const uint64_t look = LookOf(fresh);
  const MutexLock lock(mutex_);
  const auto [begin, end] = held_.equal_range(look);
  for (auto entry = begin; entry != end; ++entry) {
    const at::Tensor held = InUse(entry->second);
    if (held.defined() && held.dtype() == fresh.dtype() && held.device() == fresh.device() &&
        held.strides() == fresh.strides() && at::equal(held, fresh)) {
      return held;
    }
  }
  held_.emplace(look, Held{.storage = fresh.storage().getWeakStorageImpl(),
                           .options = fresh.options(),
                           .sizes = fresh.sizes().vec(),
                           .strides = fresh.strides().vec()});
  if (held_.size() > 2 * known_) Forget();
  return fresh;
}

int64_t HeldOnce::bytes() const {
  const MutexLock lock(mutex_);
  int64_t bytes = 0;
  for (const auto& [look, held] : held_) {
    if (const at::Tensor tensor = InUse(held); tensor.defined())
      bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return bytes;
}

at::Tensor HeldOnce::InUse(const Held& held) {
  auto storage = held.storage.lock();
  if (storage == nullptr) return {};
  return at::empty({0}, held.options).set_(c10::Storage(std::move(storage)), 0, held.sizes, held.strides);
}

void HeldOnce::Forget() {
  std::erase_if(held_, [](const auto& entry) { return entry.second.storage.use_count() == 0; });
  known_ = held_.size();
}

}  // namespace mind::diffusion
