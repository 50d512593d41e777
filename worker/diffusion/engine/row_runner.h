// Runs the rows of a batch in as much memory as there is.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_ROW_RUNNER_H_
#define MIND_WORKER_DIFFUSION_ENGINE_ROW_RUNNER_H_

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "worker/diffusion/engine/row_executor.h"

namespace mind::diffusion {

// Belongs to the step thread. Rows for which there was no memory are run again, when what can be freed has
// been, in parts of half the size, down to one row by itself. To run again changes no number: rows do not
// depend on each other, and what had results keeps them.
class RowRunner {
 public:
  // `free_memory` gives back what nobody needs.
  RowRunner(std::unique_ptr<RowExecutor> executor, std::function<void()> free_memory)
      : executor_(std::move(executor)), free_memory_(std::move(free_memory)) {}

  struct Outcome {
    std::vector<RowResult> results;  // one a row, in order
    // Where there was no memory for all: how many rows at a time there was memory for, or was not even for
    // one.
    std::optional<size_t> fits;
  };
  // No more than `at_once` rows at a time. REQUIRES: at_once > 0
  Outcome Run(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows, size_t at_once);

  size_t SameCost(size_t rows) const { return executor_->SameCost(rows); }

 private:
  // Of the rows at these places; gives those that there was no memory for.
  std::vector<size_t> RunPart(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows,
                              const std::vector<size_t>& places, std::vector<RowResult>& results);

  const std::unique_ptr<RowExecutor> executor_;
  const std::function<void()> free_memory_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_ROW_RUNNER_H_
