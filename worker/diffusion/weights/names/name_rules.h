// Turning the names one program gives its tensors into those of another.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_NAME_RULES_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_NAME_RULES_H_

#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// A list of "this pattern becomes that": ECMAScript regular expressions, $1 for the first group. Applied one
// after the other, each to what those before it made.
class NameRules {
 public:
  NameRules(std::initializer_list<std::pair<const char*, const char*>> rules) {
    for (const auto& [pattern, replacement] : rules) rules_.emplace_back(pattern, replacement);
  }

  std::string operator()(std::string name) const {
    for (const auto& [pattern, replacement] : rules_) {
      name = std::regex_replace(name, pattern, replacement);
    }
    return name;
  }

 private:
  std::vector<std::pair<std::regex, std::string>> rules_;
};

// Projections stored as convolutions of one pixel are linear layers here: [out, in, 1, 1] → [out, in].
inline at::Tensor AsLinear(const at::Tensor& weight) {
  at::Tensor linear = weight;
  while (linear.dim() > 2 && linear.size(-1) == 1) linear = linear.squeeze(-1);
  return linear;
}

// Of a tensor's name, what its layer is called, and the rest: ".weight"; nothing where it has no dot.
inline std::string WithoutLeaf(const std::string& name) {
  return name.substr(0, name.rfind('.'));
}
inline std::string LeafOf(const std::string& name) {
  return name.substr(WithoutLeaf(name).size());
}

// The number that follows `prefix` in a name, up to the next dot; -1: none does.
int64_t NumberAfter(const std::string& name, const std::string& prefix);
// One more than the largest number that follows `prefix` in a name; 0: none does.
int64_t CountAfter(const NamedTensors& tensors, const std::string& prefix);

// Puts the n equal parts of a stacked tensor under a name each: rows in order, or, where `heads` > 0, n parts
// inside every head (as GPT-2's descendants stack queries, keys and values). `leaf` is "weight" or "bias".
void Unstack(const at::Tensor& stacked, const std::vector<std::string>& names, const std::string& leaf,
             int64_t heads, NamedTensors& out);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_NAMES_NAME_RULES_H_
