// A file of recorded tensors, all of which must be of use.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_RECORD_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_RECORD_H_

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {

// Remembers which tensors were asked for. Not thread-safe.
class Record {
 public:
  // Throws ModelError.
  explicit Record(const std::filesystem::path& file) : file_(SafeTensors::Open(file.string())) {}

  bool Has(const std::string& name) const { return file_.Has(name); }
  // Throws ModelError if there is none of that name.
  at::Tensor Get(const std::string& name) const;
  // Those whose name begins so, by the rest of it.
  std::map<std::string, at::Tensor> Under(const std::string& prefix) const;
  std::vector<std::string> names() const;
  const std::string& name() const { return file_.name(); }

  // The tensors that nobody has asked for and that WhyNotCompared does not excuse. A misspelt name shows
  // here, and a result that is recorded and never compared.
  std::vector<std::string> Unused() const;

 private:
  SafeTensors file_;
  mutable std::set<std::string> used_;
};

// Recorded tensors that are compared with nothing, and why; null: the tensor has to be.
const char* WhyNotCompared(std::string_view name);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_RECORD_H_
