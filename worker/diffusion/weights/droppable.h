// Networks that need not stay in memory between uses, such as a text encoder of several billion numbers, of
// which a picture has need once: where there is no room for something else they are dropped, and loaded again
// when they are used next. Loaded again they are the same to the bit.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_DROPPABLE_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_DROPPABLE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "worker/diffusion/mutex.h"

namespace mind::diffusion {

// Bytes of weights by what they are of: the same number for the same content.
using WeightContents = std::map<uint64_t, int64_t>;

// What whoever has the memory knows of such a network.
class Part {
 public:
  Part(std::string name, WeightContents contents) : name(std::move(name)), contents(std::move(contents)) {}
  virtual ~Part() = default;
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  // Both while nobody uses it: whether it is loaded, and the network, which it no longer has then.
  virtual bool loaded() const = 0;
  virtual std::shared_ptr<const void> Take() const = 0;

  const std::string name;
  const WeightContents contents;

  // The room's, under its lock.
  mutable int64_t users = 0;
  mutable bool has_room = false;
  mutable uint64_t last_used = 0;
};

// Whose memory it is. Thread-safe.
class RoomForParts {
 public:
  virtual ~RoomForParts() = default;
  // Until Leave the part has room and stays. Waits while there is none: others are in use for a moment only,
  // so who uses one part may not wait for another. What is dropped to make room is gone on return.
  virtual void Enter(const Part& part) = 0;
  virtual void Leave(const Part& part) = 0;
  // It was read in so many seconds. Between Enter and Leave.
  virtual void Loaded(const Part& part, double seconds) = 0;
  // It is being destroyed. REQUIRES: nobody uses it.
  virtual void Forget(const Part& part) = 0;
};

// One such network. Outlives what Use gives out. Thread-safe.
template <typename Network>
class Droppable : private Part {
 public:
  using Load = std::function<std::unique_ptr<const Network>()>;

  // Loads it, so that what cannot be loaded is known at once. `room` may be null: then it stays.
  Droppable(std::string name, WeightContents contents, RoomForParts* room, Load load)
      : Part(std::move(name), std::move(contents)), room_(room), load_(std::move(load)) {
    Use();
  }
  ~Droppable() override {
    if (room_ != nullptr) room_->Forget(*this);
  }

  // The network, loaded if need be; it stays while somebody holds it. May wait for room and take long. Throws
  // what loading throws. Whoever holds one may not wait for another part of any model.
  std::shared_ptr<const Network> Use() const {
    if (room_ != nullptr) room_->Enter(*this);
    try {
      const MutexLock lock(loading_);
      if (network_ == nullptr) {
        const auto begin = std::chrono::steady_clock::now();
        network_ = load_();
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
        if (room_ != nullptr) room_->Loaded(*this, seconds.count());
      }
      return {network_.get(), [this](const Network*) {
                if (room_ != nullptr) room_->Leave(*this);
              }};
    } catch (...) {
      if (room_ != nullptr) room_->Leave(*this);
      throw;
    }
  }

 private:
  bool loaded() const override { return network_ != nullptr; }
  std::shared_ptr<const void> Take() const override { return std::exchange(network_, nullptr); }

  RoomForParts* const room_;
  const Load load_;
  mutable Mutex loading_;
  // Written under loading_ while somebody uses it, else under the room's lock.
  mutable std::shared_ptr<const Network> network_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_DROPPABLE_H_
