// Memory that runs out when a test says so.
#ifndef MIND_TESTS_UNIT_DIFFUSION_SCARCE_MEMORY_H_
#define MIND_TESTS_UNIT_DIFFUSION_SCARCE_MEMORY_H_

#include <c10/core/CPUAllocator.h>
#include <torch/version.h>

#include <atomic>
#include <cstring>

namespace mind::diffusion {

// While it lives, the CPU's tensors are allocated through it.
class ScarceMemory : public c10::Allocator {
 public:
  ScarceMemory() { c10::SetCPUAllocator(this, kPriority); }
  ~ScarceMemory() override { c10::SetCPUAllocator(before_, kPriority); }

  // The next `count` allocations after the first `good` fail; any thread's.
  void FailAfter(int64_t good, int64_t count = 1) {
    asked_ = 0;
    first_ = good;
    end_ = good + count;
  }
  void Relent() { first_ = end_ = kNever; }
  // Allocations since FailAfter.
  int64_t asked() const { return asked_; }

#if TORCH_VERSION_MAJOR >= 2
  c10::DataPtr allocate(size_t bytes) override {
    return Allocate(bytes);
  }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    std::memcpy(to, from, bytes);
  }
#else
  c10::DataPtr allocate(size_t bytes) const override {
    return Allocate(bytes);
  }
#endif
  c10::DeleterFnPtr raw_deleter() const override {
    return before_->raw_deleter();
  }

 private:
  static constexpr uint8_t kPriority = 100;
  static constexpr int64_t kNever = int64_t{1} << 62;

  c10::DataPtr Allocate(size_t bytes) const {
    const int64_t number = asked_++;
    // In the words of LibTorch's own allocator.
    TORCH_CHECK(number < first_ || number >= end_,
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate ", bytes, " bytes.");
    return before_->allocate(bytes);
  }

  c10::Allocator* const before_ = c10::GetCPUAllocator();
  mutable std::atomic<int64_t> asked_ = 0;
  std::atomic<int64_t> first_ = kNever, end_ = kNever;
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_UNIT_DIFFUSION_SCARCE_MEMORY_H_
