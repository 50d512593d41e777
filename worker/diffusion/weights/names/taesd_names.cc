#include "worker/diffusion/weights/names/taesd_names.h"

namespace mind::diffusion {

NamedTensors FromOriginalTaesd(const NamedTensors& tensors, bool decoder) {
  NamedTensors out{tensors.source, {}};
  for (const auto& [name, tensor] : tensors.tensors) {
    const size_t dot = name.find('.');
    const std::string number = name.substr(0, dot);
    const bool numbered = dot != std::string::npos && !number.empty() && number.size() < 4 &&
                          number.find_first_not_of("0123456789") == std::string::npos;
    const int layer = numbered ? std::stoi(number) - (decoder ? 1 : 0) : -1;
    const std::string prefix = decoder ? "decoder.layers." : "encoder.layers.";
    out.tensors[layer < 0 ? name : prefix + std::to_string(layer) + name.substr(dot)] = tensor;
  }
  return out;
}

}  // namespace mind::diffusion
