#include "worker/training/picture_set.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "worker/diffusion/error.h"

namespace mind::training {
namespace {

using diffusion::ModelError;

constexpr int64_t kCifarExtent = 32, kCifarRecord = 1 + 3 * kCifarExtent * kCifarExtent;
constexpr int64_t kMostBytes = int64_t{1} << 33;

// The whole of a file, unpacked if it is gzipped.
std::string ReadAll(const std::string& path) {
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw ModelError(path + ": missing or unreadable");
  std::string bytes;
  std::array<char, 1 << 16> part{};
  int read = 0;
  while ((read = gzread(file, part.data(), part.size())) > 0 &&
         static_cast<int64_t>(bytes.size()) < kMostBytes) {
    bytes.append(part.data(), static_cast<size_t>(read));
  }
  const bool whole = read == 0 && gzclose(file) == Z_OK;
  if (!whole) throw ModelError(path + ": cannot be unpacked, or larger than 8 GiB");
  return bytes;
}

// An IDX file of bytes with this many dimensions.
at::Tensor ParseIdx(const std::string& path, int64_t dimensions) {
  const std::string bytes = ReadAll(path);
  const auto number = [&bytes](size_t at) {
    int64_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    return value;
  };
  const size_t header = 4 + 4 * static_cast<size_t>(dimensions);
  if (bytes.size() < header || number(0) != (0x0800 | dimensions)) {
    throw ModelError(path + ": not an IDX file of bytes with " + std::to_string(dimensions) + " dimensions");
  }
  std::vector<int64_t> shape;
  int64_t size = 1;
  for (int64_t i = 0; i < dimensions; ++i) {
    shape.push_back(number(4 + 4 * static_cast<size_t>(i)));
    if (shape.back() < 1 || shape.back() > (int64_t{1} << 31) || size > kMostBytes / shape.back())
      throw ModelError(path + ": an impossible size");
    size *= shape.back();
  }
  if (static_cast<int64_t>(bytes.size() - header) != size) {
    throw ModelError(path + ": " + std::to_string(bytes.size() - header) + " bytes of data, " +
                     std::to_string(size) + " are announced");
  }
  at::Tensor tensor = at::empty(shape, at::kByte);
  std::memcpy(tensor.data_ptr(), bytes.data() + header, static_cast<size_t>(size));
  return tensor;
}

}  // namespace

PictureSet PictureSet::First(int64_t most) const {
  const int64_t n = std::min(most, count());
  return {pictures.slice(0, 0, n), labels.slice(0, 0, n)};
}

PictureSet ReadIdx(const std::string& pictures, const std::string& labels) {
  PictureSet set;
  set.pictures = ParseIdx(pictures, 3).unsqueeze(1).repeat({1, 3, 1, 1});
  set.labels = ParseIdx(labels, 1).to(at::kLong);
  if (set.labels.size(0) != set.count()) {
    throw ModelError(labels + ": " + std::to_string(set.labels.size(0)) + " labels for " +
                     std::to_string(set.count()) + " pictures");
  }
  return set;
}

PictureSet ReadCifar10(const std::vector<std::string>& files) {
  std::vector<at::Tensor> pictures, labels;
  for (const std::string& path : files) {
    const std::string bytes = ReadAll(path);
    const int64_t size = static_cast<int64_t>(bytes.size());
    if (size == 0 || size % kCifarRecord != 0) {
      throw ModelError(path + ": " + std::to_string(size) + " bytes are not a whole number of records of " +
                       std::to_string(kCifarRecord));
    }
    at::Tensor records = at::empty({size / kCifarRecord, kCifarRecord}, at::kByte);
    std::memcpy(records.data_ptr(), bytes.data(), bytes.size());
    labels.push_back(records.select(1, 0).to(at::kLong));
    if (labels.back().max().item<int64_t>() > 9) throw ModelError(path + ": a label above 9");
    pictures.push_back(records.slice(1, 1).reshape({-1, 3, kCifarExtent, kCifarExtent}));
  }
  if (files.empty()) throw ModelError("no CIFAR-10 files are named");
  return {at::cat(pictures), at::cat(labels)};
}

}  // namespace mind::training
