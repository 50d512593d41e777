#include "worker/diffusion/weights/gguf.h"

#include <c10/util/accumulate.h>

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

// A tensor's own shape.
std::vector<int64_t> OriginalShape(const GgufHeader& header, const GgufEntry& entry,
                                   const std::string& name) {
  const auto said = header.metadata.find(kOriginalShape + entry.name);
  if (said == header.metadata.end()) return entry.shape;
  const int64_t numbers = c10::multiply_integers(entry.shape);
  const std::vector<int64_t> shape = ShapeIn(said->second, numbers);
  if (shape.empty()) {
    throw ModelError(name + ": " + said->first + " is [" + said->second.substr(0, 100) +
                     "], which is no shape for the " + std::to_string(numbers) + " numbers there are");
  }
  return shape;
}

at::Tensor Decoded(const GgufEntry& entry, const std::vector<int64_t>& shape, std::string_view bytes) {
  at::Tensor tensor = at::empty(shape, at::kFloat);
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
    read.tensors.emplace(entry.name, Decoded(entry, OriginalShape(header, entry, name), bytes));
  }
  return read;
}

NamedTensors ReadGgufShapes(const std::string& path) {
  const MappedFile file(path);
  const GgufHeader header = ParseGgufHeader(file.bytes(), path);
  NamedTensors shapes{path, {}};
  for (const GgufEntry& entry : header.entries)
    shapes.tensors.emplace(entry.name, WithoutNumbers(OriginalShape(header, entry, path), at::kFloat));
  return shapes;
}

NamedTensors ReadGguf(const std::string& path) {
  return ParseGguf(MappedFile(path).bytes(), path);
}

}  // namespace mind::diffusion
