#include "worker/diffusion/device/kept_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>
#include <sys/mman.h>
#include <torch/version.h>

#include <bit>
#include <cstring>
#include <map>
#include <unordered_map>
#include <vector>

#include "worker/diffusion/mutex.h"

namespace mind::diffusion {
namespace {

constexpr size_t kLeast = size_t{512} << 10;        // below, malloc keeps by itself
constexpr size_t kMostOfABlock = size_t{64} << 20;  // above, a fault more or less counts for little
constexpr size_t kInAll = size_t{256} << 20;        // that are kept
constexpr size_t kLargePage = size_t{2} << 20;

// What is asked for, made larger by an eighth at the most so that blocks fit more often.
size_t Rounded(size_t bytes) {
  const size_t step = std::bit_floor(bytes) / 8;
  return (bytes + step - 1) / step * step;
}

// Null where the system has none.
void* Mapped(size_t bytes) {
  // A large page's more, of which what is not wanted is given back at once: large pages begin at multiples.
  const bool large = bytes >= 2 * kLargePage;
  const size_t asked = large ? bytes + kLargePage : bytes;
  void* const mapped = mmap(nullptr, asked, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (!large) return mapped;
  char* const begin = static_cast<char*>(mapped);
  const size_t before = (kLargePage - reinterpret_cast<uintptr_t>(begin) % kLargePage) % kLargePage;
  if (before > 0) munmap(begin, before);
  if (before < kLargePage) munmap(begin + before + bytes, kLargePage - before);
  madvise(begin + before, bytes, MADV_HUGEPAGE);
  return begin + before;
}

class KeptMemory : public c10::Allocator {
 public:
  static KeptMemory& Instance() {
    static KeptMemory* const instance = new KeptMemory;  // tensors outlive everything
    return *instance;
  }

#if TORCH_VERSION_MAJOR >= 2
  c10::DataPtr allocate(size_t bytes) override {
    return Allocate(bytes);
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
#else
  c10::DataPtr allocate(size_t bytes) const override {
    return Instance().Allocate(bytes);
  }
#endif
  c10::DeleterFnPtr raw_deleter() const override {
    return &Free;
  }

  void FreeKept() MIND_EXCLUDES(mutex_) {
    std::multimap<size_t, void*> given_back;
    {
      const MutexLock lock(mutex_);
      given_back.swap(kept_);
      kept_bytes_ = 0;
    }
    for (const auto& [size, block] : given_back) munmap(block, size);
  }

  size_t kept_bytes() const MIND_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return kept_bytes_;
  }

 private:
  static c10::DataPtr Of(void* block) {
    return {block, block, &Free, c10::Device(c10::kCPU)};
  }

  c10::DataPtr Allocate(size_t bytes) MIND_EXCLUDES(mutex_) {
    if (bytes < kLeast) return Of(bytes > 0 ? c10::alloc_cpu(bytes) : nullptr);
    const size_t size = Rounded(bytes);
    {
      const MutexLock lock(mutex_);
      const auto found = kept_.find(size);
      if (found != kept_.end()) {
        void* const block = found->second;
        kept_.erase(found);
        kept_bytes_ -= size;
        sizes_.emplace(block, size);
        return Of(block);
      }
    }
    void* block = Mapped(size);
    if (block == nullptr) {
      FreeKept();
      block = Mapped(size);
    }
    if (block == nullptr) return Of(c10::alloc_cpu(bytes));  // which says what is the matter
    const MutexLock lock(mutex_);
    sizes_.emplace(block, size);
    return Of(block);
  }

  static void Free(void* block) {
    Instance().GiveBack(block);
  }

  void GiveBack(void* block) MIND_EXCLUDES(mutex_) {
    size_t size = 0;
    {
      const MutexLock lock(mutex_);
      const auto found = sizes_.find(block);
      if (found != sizes_.end()) {
        size = found->second;
        sizes_.erase(found);
        if (size <= kMostOfABlock && kept_bytes_ + size <= kInAll) {
          kept_.emplace(size, block);
          kept_bytes_ += size;
          return;
        }
      }
    }
    if (size > 0) {
      munmap(block, size);
    } else if (block != nullptr) {
      c10::free_cpu(block);
    }
  }

  mutable Mutex mutex_;
  std::unordered_map<void*, size_t> sizes_ MIND_GUARDED_BY(mutex_);  // of large blocks in use
  std::multimap<size_t, void*> kept_ MIND_GUARDED_BY(mutex_);        // by size
  size_t kept_bytes_ MIND_GUARDED_BY(mutex_) = 0;
};

}  // namespace

void KeepLargeBlocks() {
  c10::SetCPUAllocator(&KeptMemory::Instance(), /*priority=*/1);
}

void FreeKeptBlocks() {
  KeptMemory::Instance().FreeKept();
}

int64_t KeptBytes() {
  return static_cast<int64_t>(KeptMemory::Instance().kept_bytes());
}

}  // namespace mind::diffusion
