// Low-rank updates of a model's layers (LoRA), computed beside the weights instead of merged into them: the
// model stays as it is, and every row of a batch can have its own.
//   y = W x + scale · factor · up (down x)                                        Hu et al. 2021, eq. 3
#ifndef MIND_WORKER_DIFFUSION_MODELS_ADAPTER_H_
#define MIND_WORKER_DIFFUSION_MODELS_ADAPTER_H_

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace mind::diffusion {

// The update of one layer with rank r, in the model's dtype and on its device.
struct LowRankUpdate {
  at::Tensor down;    // of a linear layer [r, in]; of a convolution [r, in, k, k]
  at::Tensor up;      // [out, r]; [out, r, 1, 1]
  double factor = 1;  // alpha / r
};

// Updates of some of a model's layers, each known by its weight. Of use only with the very model it was made
// for, which must outlive it. Immutable once filled; any thread may read.
class Adapter {
 public:
  void Set(const at::Tensor& weight, LowRankUpdate update) {
    updates_[weight.unsafeGetTensorImpl()] = std::move(update);
  }
  // Null: it leaves this layer alone.
  const LowRankUpdate* Find(const at::Tensor& weight) const;

 private:
  std::map<const c10::TensorImpl*, LowRankUpdate> updates_;
};

// What one row is computed with; the updates add up.
struct ScaledAdapter {
  std::shared_ptr<const Adapter> adapter;
  double scale = 1;
};
using AdapterSet = std::vector<ScaledAdapter>;

// While one of these is alive, the layers this thread runs compute row i with rows[i]. A thread has at most
// one. What the sets hold must outlive it.
class AdapterScope {
 public:
  explicit AdapterScope(std::vector<AdapterSet> rows);
  ~AdapterScope();
  AdapterScope(const AdapterScope&) = delete;
  AdapterScope& operator=(const AdapterScope&) = delete;

 private:
  std::vector<AdapterSet> rows_;
};

// For layers: adds to y (of rows as x) what the active adapters make of x in the layer with this weight.
// `apply` is the layer's own kind of product: x and an update → up (down x).
void AddActiveUpdates(
    const at::Tensor& weight, const at::Tensor& x, const at::Tensor& y,
    const std::function<at::Tensor(const at::Tensor& x, const LowRankUpdate& update)>& apply);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_ADAPTER_H_
