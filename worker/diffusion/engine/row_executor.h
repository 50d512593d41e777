// Runs the rows of one step batch through a denoiser.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_ROW_EXECUTOR_H_
#define MIND_WORKER_DIFFUSION_ENGINE_ROW_EXECUTOR_H_

#include <ATen/ATen.h>

#include <exception>
#include <memory>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/models/parts.h"
#include "worker/diffusion/pipelines/guidance.h"

namespace mind::diffusion {

// Rows of one batch share the latent's shape.
struct EvaluationRow {
  at::Tensor sample;  // float [C, H, W]
  double timestep = 0;
  Told told;
  AdapterSet adapters;
  bool wraps = false;  // it is a map without edges
};

struct RowResult {
  at::Tensor output;         // float [C', H, W], on the samples' device
  std::exception_ptr error;  // set instead of output if the row failed
};

// Belongs to the step thread.
class RowExecutor {
 public:
  virtual ~RowExecutor() = default;
  // One result a row, in order. Row i's numbers do not depend on the other rows, nor on how many there are.
  virtual std::vector<RowResult> Run(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows) = 0;
  // The most rows that take no longer than so many do.
  virtual size_t SameCost(size_t rows) const = 0;
};

// CPU: rows side by side, each alone at batch size 1 on one of `threads` threads. Bit for bit independent of
// neighbours, where a true batch would not be: kernels are chosen by batch size. Also the faster way for
// small layers on few cores. `hands`, if any, help with the large layers of a row, and must outlive it.
std::unique_ptr<RowExecutor> MakeSideBySideExecutor(int threads, Hands* hands = nullptr);

// CUDA: one forward for all rows that are told things of the same shapes and wrap alike, padded with copies
// of the last one to the next power of two, so that few kernels are in play and a row's numbers hardly move
// with its neighbours. An error fails all rows of a forward.
std::unique_ptr<RowExecutor> MakeBatchedExecutor();

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_ROW_EXECUTOR_H_
