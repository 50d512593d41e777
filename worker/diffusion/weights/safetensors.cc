#include "worker/diffusion/weights/safetensors.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/mapped_file.h"
#include "worker/diffusion/weights/safetensors_header.h"

namespace mind::diffusion {
SafeTensors SafeTensors::Open(const std::string& path) {
  const MappedFile file(path);
  return SafeTensors(file.data(), file.bytes().size(), path);
}

SafeTensors SafeTensors::Parse(std::string_view bytes, const std::string& name) {
  auto copy = std::make_shared<std::string>(bytes);
  return SafeTensors({copy, copy->data()}, copy->size(), name);
}

SafeTensors::SafeTensors(std::shared_ptr<const char> data, size_t size, std::string name)
    : name_(std::move(name)) {
  SafeTensorsHeader header = ParseSafeTensorsHeader({data.get(), size}, name_);
  metadata_ = std::move(header.metadata);
  for (const SafeTensorsEntry& entry : header.entries) {
    const char* const address = data.get() + header.data_offset + entry.begin;
    const auto options = at::TensorOptions().dtype(entry.dtype);
    at::Tensor tensor;
    if (entry.float8 != Float8::kNone) {
      tensor = FromFloat8(reinterpret_cast<const uint8_t*>(address), entry.shape, entry.float8);
    } else if (reinterpret_cast<uintptr_t>(address) % c10::elementSize(entry.dtype) == 0) {
      tensor = at::from_blob(
          const_cast<char*>(address), entry.shape, [data](void*) {}, options);
    } else {
      // The format does not ask for alignment; kernels do.
      tensor = at::empty(entry.shape, options);
      if (entry.end > entry.begin) std::memcpy(tensor.data_ptr(), address, entry.end - entry.begin);
    }
    tensors_.emplace(entry.name, std::move(tensor));
  }
}

at::Tensor SafeTensors::Get(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw ModelError(name_ + ": no tensor named \"" + name + "\"");
  return found->second;
}

std::string SerializeSafeTensors(const std::map<std::string, at::Tensor>& tensors,
                                 const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::vector<at::Tensor> contiguous;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : tensors) {
    const char* const dtype = SafeTensorsDtypeName(tensor.scalar_type());
    if (dtype == nullptr) throw Error("tensor \"" + name + "\" has a dtype that safetensors cannot store");
    contiguous.push_back(tensor.detach().cpu().contiguous());
    const uint64_t bytes = contiguous.back().nbytes();
    header[name] = {
        {"dtype", dtype}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // keeps the data aligned, as the format allows
  std::string bytes;
  bytes.reserve(8 + text.size() + offset);
  for (int i = 0; i < 8; ++i) bytes.push_back(static_cast<char>(uint64_t{text.size()} >> (8 * i)));
  bytes += text;
  for (const at::Tensor& tensor : contiguous) {
    if (tensor.nbytes() > 0) bytes.append(static_cast<const char*>(tensor.data_ptr()), tensor.nbytes());
  }
  return bytes;
}

}  // namespace mind::diffusion
