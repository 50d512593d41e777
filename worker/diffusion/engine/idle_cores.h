// Processors that no row of a step needs, for large layers: of decoding, which runs beside the steps, and of
// the rows themselves, where there are fewer of them than processors.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_IDLE_CORES_H_
#define MIND_WORKER_DIFFUSION_ENGINE_IDLE_CORES_H_

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "worker/diffusion/models/parts.h"
#include "worker/diffusion/mutex.h"

namespace mind::diffusion {

// As many threads as there are cores but one. Each takes a part where, with those who have one and the rows
// that run, there is a core for it; whoever called Run goes on with its own in any case. Thread-safe.
class IdleCores : public Hands {
 public:
  explicit IdleCores(int cores);
  // REQUIRES: no call of Run is under way.
  ~IdleCores() override;

  // From now on so many rows run, on a core each as far as there are any.
  void RowsRun(size_t rows);
  void Run(size_t count, const std::function<void(size_t)>& part) override {
    Run(count, part, /*row=*/false);
  }
  // For callers that are rows, whose cores RowsRun has told of.
  Hands& of_rows() { return of_rows_; }

 private:
  class OfRows : public Hands {
   public:
    explicit OfRows(IdleCores& cores) : cores_(cores) {}
    void Run(size_t count, const std::function<void(size_t)>& part) override {
      cores_.Run(count, part, /*row=*/true);
    }

   private:
    IdleCores& cores_;
  };

  // One call of Run, which has it on its stack until all that take part have left.
  struct Work {
    size_t count = 0;
    const std::function<void(size_t)>& part;
    bool row = false;
    size_t next = 0, helpers = 0;
    std::exception_ptr error;
  };

  void Run(size_t count, const std::function<void(size_t)>& part, bool row);
  void Help();
  // The next part of this work, run without the lock. REQUIRES: there is one.
  void TakePart(Work& work) MIND_REQUIRES(mutex_);
  // The first with a part that nobody has taken; null: none, or no core for it.
  Work* Open() MIND_REQUIRES(mutex_);

  const size_t cores_;
  OfRows of_rows_{*this};
  Mutex mutex_;
  std::condition_variable_any changed_;
  size_t rows_ MIND_GUARDED_BY(mutex_) = 0;
  size_t helping_ MIND_GUARDED_BY(mutex_) = 0;        // threads of ours at a part
  std::vector<Work*> works_ MIND_GUARDED_BY(mutex_);  // in order of arrival
  bool stopping_ MIND_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_IDLE_CORES_H_
