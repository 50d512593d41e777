// A safetensors file of full size whose numbers are all zero and take no room on the disk.
#ifndef MIND_TESTS_SUPPORT_SPARSE_FILE_H_
#define MIND_TESTS_SUPPORT_SPARSE_FILE_H_

#include <ATen/ATen.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/weights/safetensors_header.h"

namespace mind::diffusion {

// Of the tensors only shapes and types count.
inline void WriteSparseSafeTensors(const std::filesystem::path& path,
                                   const std::map<std::string, at::Tensor>& tensors,
                                   const std::map<std::string, std::string>& metadata = {}) {
  nlohmann::json header;
  if (!metadata.empty()) header["__metadata__"] = metadata;
  int64_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    const int64_t bytes = tensor.numel() * static_cast<int64_t>(tensor.element_size());
    header[name] = {{"dtype", SafeTensorsDtypeName(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  const std::string text = header.dump();
  const uint64_t length = text.size();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(&length), sizeof length)
      .write(text.data(), static_cast<std::streamsize>(length));
  std::filesystem::resize_file(path, sizeof length + length + static_cast<uint64_t>(end));
}

}  // namespace mind::diffusion

#endif  // MIND_TESTS_SUPPORT_SPARSE_FILE_H_
