// Weights as whatever file held them: tensors by name.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMED_TENSORS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMED_TENSORS_H_

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace mind::diffusion {

// Stored as the file has them: dtypes as they come, on the CPU; what is kept in fewer bits than LibTorch has
// types for, or beside scales, as what it stands for. The tensors may share a file's mapping and must not be
// written to.
struct NamedTensors {
  std::string source;  // the file or folder, for errors
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata = {};  // of a single safetensors file

  bool Has(const std::string& name) const { return tensors.count(name) != 0; }
  // Whether any name begins so.
  bool HasPrefix(const std::string& prefix) const;
  // Those that begin so, without it.
  NamedTensors Under(const std::string& prefix) const;
};

// A shape as errors show it: [2, 3].
std::string ShapeText(at::IntArrayRef shape);

// Reads a file of weights by what is in it: safetensors, GGUF, or a MindSpore checkpoint. Throws ModelError
// naming the file; of a pickle (PyTorch's .bin, .pt, .ckpt) it says that those are never opened.
NamedTensors ReadWeights(const std::string& path);
// What it would read, with scales and marks as they are stored: names, shapes and types of tensors that have
// no numbers (of a MindSpore checkpoint, with them). Reads headers alone. Throws likewise.
NamedTensors ReadShapes(const std::string& path);
// On the device for tensors that are shapes.
at::Tensor WithoutNumbers(at::IntArrayRef shape, at::ScalarType type);

// The weights in the folder of one component of a diffusers model: diffusion_pytorch_model or model, whole or
// in shards that an index lists, plain or as a variant ("fp16"). With an empty `variant` the plain file is
// taken, or the only variant there is. Throws ModelError naming what was looked for.
NamedTensors ReadComponent(const std::string& folder, const std::string& variant = "");
// The files that it would read. Throws likewise.
std::vector<std::string> ComponentFiles(const std::string& folder, const std::string& variant = "");

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMED_TENSORS_H_
