// Large layers work in parts, which idle processors may take.
//
// The parts follow from the shape alone and each is computed by one thread, so that the numbers do not depend
// on who takes part, nor on how many there are.
#ifndef MIND_WORKER_DIFFUSION_MODELS_PARTS_H_
#define MIND_WORKER_DIFFUSION_MODELS_PARTS_H_

#include <cstddef>
#include <functional>

namespace mind::diffusion {

// Those who may help.
class Hands {
 public:
  virtual ~Hands() = default;
  // Runs part(0) to part(count - 1), on this thread and others, and returns when all are done. Throws what
  // one of them threw. Any thread may call, several at a time.
  virtual void Run(size_t count, const std::function<void(size_t)>& part) = 0;
};

// While it lives, they help this thread. The innermost counts.
class HandsScope {
 public:
  explicit HandsScope(Hands& hands);
  ~HandsScope();
  HandsScope(const HandsScope&) = delete;
  HandsScope& operator=(const HandsScope&) = delete;

 private:
  Hands* const before_;
};

// By those who help this thread, or one after the other on it.
void InParts(size_t count, const std::function<void(size_t)>& part);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_PARTS_H_
