#include "worker/diffusion/pipelines/file_hash.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/hash.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kWhole = 4 << 20;  // bytes up to which a file is read whole
constexpr uint64_t kBeginning = 64 << 10, kBlock = 4 << 10, kBlocks = 128;
constexpr uint64_t kMostSmall = 64 << 20;  // no file of words is larger

bool IsSmall(const fs::path& path) {
  std::error_code error;
  const std::string extension = path.extension().string();
  const bool kind =
      extension == ".json" || extension == ".txt" || extension == ".model" || extension == ".bpe";
  return kind && fs::is_regular_file(path, error) && fs::file_size(path, error) <= kMostSmall;
}

}  // namespace

uint64_t HashOfFile(const std::string& path, uint64_t hash) {
  std::error_code error;
  const uint64_t size = fs::file_size(path, error);
  std::ifstream file(path, std::ios::binary);
  if (error || !file) throw ModelError(path + ": cannot be read");
  const auto add = [&](uint64_t offset, uint64_t bytes) {
    std::string block(std::min(bytes, size - offset), '\0');
    file.seekg(static_cast<std::streamoff>(offset));
    if (!file.read(block.data(), static_cast<std::streamsize>(block.size())))
      throw ModelError(path + ": cannot be read");
    hash = HashOf(block, hash);
  };
  hash = HashOf(std::to_string(size), hash);
  if (size <= kWhole) {
    add(0, size);
    return hash;
  }
  add(0, kBeginning);
  for (uint64_t i = 1; i <= kBlocks; ++i) add((size - kBlock) / kBlocks * i, kBlock);
  return hash;
}

std::vector<std::string> SmallFiles(const std::string& directory) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (IsSmall(entry.path())) files.push_back(entry.path().string());
    if (!entry.is_directory(error)) continue;
    for (const auto& inner : fs::directory_iterator(entry.path(), error)) {
      if (IsSmall(inner.path())) files.push_back(inner.path().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace mind::diffusion
