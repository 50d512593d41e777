// The safetensors format: u64 little-endian header length, a JSON header, raw row-major little-endian data.
//
// Reading maps the file and checks every rule of the format before a single byte of data is used: the header
// is at most 100 MB and inside the file, starts with '{', has no duplicate keys, its `__metadata__` maps
// strings to strings; every dtype is known; every size is the product of shape and dtype without overflow;
// the data is covered without holes or overlap and ends where the file ends. A file that breaks one is
// refused with a ModelError naming file, rule and values. Source: huggingface/safetensors, README "Format"
// and safetensors/src/tensor.rs.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_SAFETENSORS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_SAFETENSORS_H_

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace mind::diffusion {

// An open file, or bytes in memory. Immutable: any thread may read. The tensors it hands out share its memory
// and keep the mapping alive; they must not be written to.
class SafeTensors {
 public:
  static SafeTensors Open(const std::string& path);
  // Parses bytes held elsewhere, `name` standing for the path in errors. The bytes are copied.
  static SafeTensors Parse(std::string_view bytes, const std::string& name);

  bool Has(const std::string& name) const { return tensors_.count(name) != 0; }
  // The tensor as stored: its own dtype (of float8 bfloat16, in memory of its own), on the CPU. Throws
  // ModelError if there is none of that name.
  at::Tensor Get(const std::string& name) const;

  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::string& name() const { return name_; }

 private:
  SafeTensors(std::shared_ptr<const char> data, size_t size, std::string name);

  std::string name_;
  std::map<std::string, at::Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

// The bytes of a file holding `tensors` (any device, made contiguous) in name order.
std::string SerializeSafeTensors(const std::map<std::string, at::Tensor>& tensors,
                                 const std::map<std::string, std::string>& metadata = {});

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_SAFETENSORS_H_
