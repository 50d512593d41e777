// How many bytes of requests' bodies are in memory, of all connections together, against how many may be.
#ifndef MIND_SERVER_HTTP_BODY_BUDGET_H_
#define MIND_SERVER_HTTP_BODY_BUDGET_H_

#include <atomic>
#include <cstdint>
#include <utility>

namespace mind::server {

// Thread-safe. Must outlive its shares.
class BodyBudget {
 public:
  explicit BodyBudget(uint64_t most) : most_(most) {}

  // What one body takes of it, until it is destroyed. Belongs to one thread at a time.
  class Share {
   public:
    explicit Share(BodyBudget& budget) : budget_(&budget) {}
    Share(Share&& other) noexcept : budget_(other.budget_), bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&&) = delete;
    ~Share() { budget_->used_ -= bytes_; }

    // The body has come to so many bytes. False: all of them together take too much, and these count no more.
    // REQUIRES: no fewer than before.
    bool Grow(uint64_t bytes) {
      const uint64_t more = bytes - bytes_;
      if (budget_->used_.fetch_add(more) + more > budget_->most_) {
        budget_->used_ -= more;
        return false;
      }
      bytes_ = bytes;
      return true;
    }

   private:
    BodyBudget* const budget_;
    uint64_t bytes_ = 0;
  };

  uint64_t used() const { return used_; }
  uint64_t most() const { return most_; }

 private:
  const uint64_t most_;
  std::atomic<uint64_t> used_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_BODY_BUDGET_H_
