#include "worker/diffusion/weights/gguf.h"

#include <numeric>
#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/gguf_header.h"
#include "worker/diffusion/weights/mapped_file.h"

namespace mind::diffusion {
namespace {

constexpr char kOriginalShape[] = "comfy.gguf.orig_shape.";

// What a list of numbers with commas says; nothing where it is none, or of another size.
std::vector<int64_t> ShapeIn(const std::string& text, int64_t numbers) {
  std::vector<int64_t> shape;
  std::istringstream in(text);
  int64_t product = 1;
  for (std::string part; std::getline(in, part, ',');) {
    if (part.empty() || part.size() > 18 || part.find_first_not_of("0123456789") != std::string::npos)
      return {};
    shape.push_back(std::stoll(part));
    if (__builtin_mul_overflow(product, shape.back(), &product)) return {};
  }
  return product == numbers ? shape : std::vector<int64_t>();
}

at::Tensor Decoded(const GgufEntry& entry, std::string_view bytes) {
  at::Tensor tensor = at::empty(entry.shape, at::kFloat);
  const auto* block = reinterpret_cast<const uint8_t*>(bytes.data()) + entry.begin;
  float* numbers = tensor.data_ptr<float>();
  const int64_t blocks = tensor.numel() / entry.type->numbers;
  for (int64_t i = 0; i < blocks; ++i, block += entry.type->bytes, numbers += entry.type->numbers)
    entry.type->decode(block, numbers);
  return tensor;
}

}  // namespace

NamedTensors ParseGguf(std::string_view bytes, const std::string& name) {
  const GgufHeader header = ParseGgufHeader(bytes, name);
  NamedTensors read{name, {}};
  for (const GgufEntry& entry : header.entries) {
    at::Tensor tensor = Decoded(entry, bytes);
    if (const auto said = header.metadata.find(kOriginalShape + entry.name); said != header.metadata.end()) {
      const std::vector<int64_t> shape = ShapeIn(said->second, tensor.numel());
      if (shape.empty()) {
        throw ModelError(name + ": " + said->first + " is [" + said->second.substr(0, 100) +
                         "], which is no shape for the " + std::to_string(tensor.numel()) +
                         " numbers there are");
      }
      tensor = tensor.reshape(shape);
    }
    read.tensors.emplace(entry.name, std::move(tensor));
  }
  return read;
}

NamedTensors ReadGguf(const std::string& path) {
  return ParseGguf(MappedFile(path).bytes(), path);
}

}  // namespace mind::diffusion
