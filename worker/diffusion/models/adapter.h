// Updates of a model's layers (LoRA and its kin), computed beside the weights instead of merged into them:
// the model stays as it is, and every row of a batch can have its own.
//   y = W x + scale · factor · up (down x)                                        Hu et al. 2021, eq. 3
//   y = W x + scale · (delta x + bias)                                            where it is of no low rank
#ifndef MIND_WORKER_DIFFUSION_MODELS_ADAPTER_H_
#define MIND_WORKER_DIFFUSION_MODELS_ADAPTER_H_

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace mind::diffusion {

// The update of one layer, in the model's dtype and on its device: with rank r, or as a whole.
struct LayerUpdate {
  at::Tensor down;        // of a linear layer [r, in]; of a convolution [r, in, k, k]
  at::Tensor up;          // [out, r]; [out, r, 1, 1]
  double factor = 1;      // alpha / r
  at::Tensor delta = {};  // of the weight's shape; undefined: none
  at::Tensor bias = {};   // [out], undefined: none
};

// Updates of some of a model's layers, each known by its weight. Of use only with the very model it was made
// for, which must outlive it. Immutable once filled; any thread may read.
class Adapter {
 public:
  // `source`: tells what it was read from, and that from what may have come in its place.
  explicit Adapter(std::string source = "") : source_(std::move(source)) {}

  const std::string& source() const { return source_; }
  void Set(const at::Tensor& weight, LayerUpdate update) {
    updates_[weight.unsafeGetTensorImpl()] = std::move(update);
  }
  // Null: it leaves this layer alone.
  const LayerUpdate* Find(const at::Tensor& weight) const;

 private:
  const std::string source_;
  std::map<const c10::TensorImpl*, LayerUpdate> updates_;
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
// `product` is the layer's own kind of product with a weight; `first` of two in a row goes as the layer does,
// the other takes what it makes pixel by pixel.
using LayerProduct = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& weight, bool first)>;
void AddActiveUpdates(const at::Tensor& weight, const at::Tensor& x, const at::Tensor& y,
                      const LayerProduct& product);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_ADAPTER_H_
