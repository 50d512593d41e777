// Where a module takes its parameters from while it is being built.
//
// A module's constructor gets a `Scope` (a source and a name prefix) and takes each parameter by name and
// exact shape. The same constructors thus load a file, count parameters, or make fresh weights: only the
// source differs.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_PARAMETERS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_PARAMETERS_H_

#include <ATen/ATen.h>

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "worker/diffusion/device/precision.h"
#include "worker/diffusion/weights/held_once.h"
#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Weights of linear layers and convolutions by the layer's path ("down_blocks.0.resnets.0.conv1"): what
// low-rank updates may reach.
using LayerWeights = std::map<std::string, at::Tensor>;

class ParameterSource {
 public:
  virtual ~ParameterSource() = default;
  virtual bool Has(const std::string& name) const = 0;
  // A floating-point tensor of exactly this shape, in the dtype and on the device the model computes with.
  // Throws ModelError naming the parameter, the shape found and the shape wanted.
  virtual at::Tensor Take(const std::string& name, at::IntArrayRef shape) = 0;
  // The same in float32 whatever the model computes with: what a type of fewer bits would spoil.
  virtual at::Tensor TakeInFloat32(const std::string& name, at::IntArrayRef shape) {
    return Take(name, shape);
  }
  // The weight of the linear layer or convolution at this path.
  virtual at::Tensor TakeLayerWeight(const std::string& layer, at::IntArrayRef shape) {
    return Take(layer + ".weight", shape);
  }
};

// A source and a prefix. Cheap to copy; valid as long as the source.
class Scope {
 public:
  explicit Scope(ParameterSource& source, std::string prefix = "")
      : source_(&source), prefix_(std::move(prefix)) {}

  // The scope of a child module: scope / "mid_block" / "resnets" / 0.
  Scope operator/(std::string_view child) const { return Scope(*source_, Path(child)); }
  Scope operator/(size_t index) const { return *this / std::to_string(index); }

  bool Has(std::string_view name) const { return source_->Has(Path(name)); }
  at::Tensor Take(std::string_view name, at::IntArrayRef shape) const {
    return source_->Take(Path(name), shape);
  }
  at::Tensor TakeInFloat32(std::string_view name, at::IntArrayRef shape) const {
    return source_->TakeInFloat32(Path(name), shape);
  }
  at::Tensor TakeLayerWeight(at::IntArrayRef shape) const { return source_->TakeLayerWeight(prefix_, shape); }

 private:
  std::string Path(std::string_view child) const {
    return prefix_.empty() ? std::string(child) : prefix_ + "." + std::string(child);
  }

  ParameterSource* source_;
  std::string prefix_;
};

class RoomForParts;

// Parameters from files, converted to one dtype and device.
class FileParameters : public ParameterSource {
 public:
  struct Options {
    Precision precision = Precision::kFloat32;  // what the references compute with
    at::Device device = at::kCPU;
    // Convolutions' weights as [out, k, k, in] in memory, which makes their outputs so too: the layout that
    // tensor cores want. The numbers are the same but for rounding.
    bool channels_last = false;
    // Where what is loaded is held once; must outlive what is loaded. Null: each loads its own.
    HeldOnce* held = nullptr;
    // Who has parts that need not stay in memory dropped between uses (droppable.h); likewise. Null: they
    // stay.
    RoomForParts* room = nullptr;

    // Of tensors as they are kept.
    at::TensorOptions tensor() const { return at::TensorOptions().dtype(TypeOf(precision)).device(device); }
  };

  FileParameters(NamedTensors tensors, Options options) : tensors_(std::move(tensors)), options_(options) {}

  bool Has(const std::string& name) const override { return tensors_.Has(name); }
  at::Tensor Take(const std::string& name, at::IntArrayRef shape) override;
  at::Tensor TakeInFloat32(const std::string& name, at::IntArrayRef shape) override;
  at::Tensor TakeLayerWeight(const std::string& layer, at::IntArrayRef shape) override;

  // Those taken so far.
  const LayerWeights& layers() const { return layers_; }

  // Call when the model is built. Throws ModelError naming the tensors nobody took: the configuration and the
  // weights then speak of different networks. Buffers known to be derived ("position_ids") do not count.
  void ExpectAllTaken() const;

 private:
  at::Tensor TakeAs(const std::string& name, at::IntArrayRef shape, const at::TensorOptions& as);

  NamedTensors tensors_;
  Options options_;
  std::set<std::string> taken_;
  LayerWeights layers_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_PARAMETERS_H_
