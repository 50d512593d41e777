#include "worker/diffusion/weights/gguf_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kOldest = 2, kNewest = 3;
constexpr uint64_t kMostNameBytes = 1024, kMostValueBytes = 64 << 20;
constexpr uint64_t kMostEntries = 1 << 20;
constexpr uint32_t kMostDimensions = 4;
constexpr uint64_t kUsualAlignment = 32, kMostAlignment = 1 << 20;
constexpr char kAlignment[] = "general.alignment";

// Of values in the header.
enum ValueType : uint32_t {
  kUint8,
  kInt8,
  kUint16,
  kInt16,
  kUint32,
  kInt32,
  kFloat32,
  kBool,
  kString,
  kArray,
  kUint64,
  kInt64,
  kFloat64
};

// Bytes of a value of this type; 0: its length is written with it, or there is no such type.
uint64_t SizeOf(uint32_t type) {
  constexpr uint64_t kSizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < std::size(kSizes) ? kSizes[type] : 0;
}

class HeaderReader {
 public:
  HeaderReader(std::string_view bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  [[noreturn]] void Fail(const std::string& what) const {
    throw ModelError(file_ + ": not a valid GGUF file: " + what);
  }
  std::string_view Take(uint64_t count, const std::string& what) {
    if (count > bytes_.size() - position_) {
      Fail(what + " has " + std::to_string(count) + " bytes, of the file " +
           std::to_string(bytes_.size() - position_) + " are left: truncated?");
    }
    position_ += count;
    return bytes_.substr(position_ - count, count);
  }
  template <typename T>
  T Number(const std::string& what) {
    T value;
    std::memcpy(&value, Take(sizeof value, what).data(), sizeof value);
    return value;
  }
  std::string Text(uint64_t most, const std::string& what) {
    const auto length = Number<uint64_t>("the length of " + what);
    if (length > most)
      Fail(what + " has " + std::to_string(length) + " bytes, over the limit of " + std::to_string(most));
    return std::string(Take(length, what));
  }
  uint64_t Count(const std::string& what) {
    const auto count = Number<uint64_t>(what);
    if (count > kMostEntries)
      Fail(what + " is " + std::to_string(count) + ", over the limit of " + std::to_string(kMostEntries));
    return count;
  }
  // A whole number of any type and size.
  uint64_t Whole(uint32_t type, const std::string& what) {
    uint64_t value = 0;
    const std::string_view bytes = Take(SizeOf(type), what);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  // What is of use of a value; else it is passed over.
  std::string Value(uint32_t type, const std::string& key) {
    const std::string what = "the value of \"" + key + "\"";
    if (type == kString) return Text(kMostValueBytes, what);
    if (type == kArray) return Array(key, what);
    if (SizeOf(type) == 0) Fail(what + " is of the unknown type " + std::to_string(type));
    if (type == kFloat32 || type == kFloat64) return Take(SizeOf(type), what), "";
    return std::to_string(Whole(type, what));
  }
  uint64_t position() const { return position_; }

 private:
  std::string Array(const std::string& key, const std::string& what) {
    const auto type = Number<uint32_t>(what);
    const auto count = Number<uint64_t>(what);
    if (type == kArray) Fail(what + " is an array of arrays");
    if (type == kString) {
      for (uint64_t i = 0; i < count; ++i) Text(kMostValueBytes, "a part of " + what);
      return "";
    }
    const uint64_t size = SizeOf(type);
    if (size == 0) Fail(what + " holds values of the unknown type " + std::to_string(type));
    if (count > bytes_.size() / size) Fail(what + " has " + std::to_string(count) + " parts: truncated?");
    const bool whole = type != kFloat32 && type != kFloat64 && count <= kMostDimensions;
    if (!whole) return Take(count * size, what), "";
    std::string text;
    for (uint64_t i = 0; i < count; ++i) text += (i == 0 ? "" : ",") + std::to_string(Whole(type, what));
    return text;
  }

  const std::string_view bytes_;
  const std::string& file_;
  uint64_t position_ = 0;
};

GgufEntry ReadEntry(HeaderReader& reader) {
  GgufEntry entry;
  entry.name = reader.Text(kMostNameBytes, "the name of a tensor");
  const std::string where = "tensor \"" + entry.name + "\"";
  const auto dimensions = reader.Number<uint32_t>(where);
  if (dimensions == 0 || dimensions > kMostDimensions)
    reader.Fail(where + " has " + std::to_string(dimensions) + " dimensions; 1 to 4 are allowed");
  uint64_t numbers = 1;
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = reader.Number<uint64_t>(where);
    if (extent == 0 || extent > INT64_MAX || __builtin_mul_overflow(numbers, extent, &numbers) ||
        numbers > INT64_MAX)
      reader.Fail(where + ": its size overflows, or is nought");
    entry.shape.push_back(static_cast<int64_t>(extent));
  }
  const auto code = reader.Number<uint32_t>(where);
  entry.type = FindBlockType(code);
  if (entry.type == nullptr) {
    reader.Fail(where + " is of the type " + std::to_string(code) + "; supported: " + BlockTypeNames());
  }
  if (entry.shape.front() % entry.type->numbers != 0) {
    reader.Fail(where + ": a row of " + std::to_string(entry.shape.front()) + " is no number of whole " +
                entry.type->name + " blocks of " + std::to_string(entry.type->numbers));
  }
  if (__builtin_mul_overflow(numbers / static_cast<uint64_t>(entry.type->numbers),
                             static_cast<uint64_t>(entry.type->bytes), &entry.bytes))
    reader.Fail(where + ": its size overflows");
  entry.begin = reader.Number<uint64_t>(where);
  std::reverse(entry.shape.begin(), entry.shape.end());
  return entry;
}

uint64_t AlignmentIn(const GgufHeader& header, const HeaderReader& reader) {
  const auto given = header.metadata.find(kAlignment);
  if (given == header.metadata.end()) return kUsualAlignment;
  const std::string& text = given->second;
  const bool digits =
      !text.empty() && text.size() <= 7 && text.find_first_not_of("0123456789") == std::string::npos;
  const uint64_t alignment = digits ? std::stoull(text) : 0;
  if (!std::has_single_bit(alignment) || alignment > kMostAlignment)
    reader.Fail(std::string(kAlignment) + " is \"" + text.substr(0, 40) + "\"; it must be a power of two");
  return alignment;
}

}  // namespace

bool LooksLikeGguf(std::string_view first) {
  return first.starts_with(kMagic);
}

GgufHeader ParseGgufHeader(std::string_view bytes, const std::string& name) {
  HeaderReader reader(bytes, name);
  if (reader.Take(kMagic.size(), "the magic") != kMagic) reader.Fail("it does not begin with GGUF");
  const auto version = reader.Number<uint32_t>("the version");
  if (version < kOldest || version > kNewest)
    reader.Fail("it is of the version " + std::to_string(version) +
                "; 2 and 3, little-endian, are supported");
  const uint64_t tensors = reader.Count("the number of tensors"),
                 values = reader.Count("the number of values");

  GgufHeader header;
  for (uint64_t i = 0; i < values; ++i) {
    const std::string key = reader.Text(kMostNameBytes, "a key");
    const auto type = reader.Number<uint32_t>("\"" + key + "\"");
    if (!header.metadata.emplace(key, reader.Value(type, key)).second)
      reader.Fail("the key \"" + key + "\" appears twice");
  }
  std::set<std::string> names;
  for (uint64_t i = 0; i < tensors; ++i) {
    header.entries.push_back(ReadEntry(reader));
    if (!names.insert(header.entries.back().name).second)
      reader.Fail("the tensor \"" + header.entries.back().name + "\" appears twice");
  }

  const uint64_t alignment = AlignmentIn(header, reader);
  const uint64_t data = (reader.position() + alignment - 1) / alignment * alignment;
  uint64_t covered = 0;
  for (GgufEntry& entry : header.entries) {
    if (entry.begin % alignment != 0)
      reader.Fail("tensor \"" + entry.name + "\" begins at " + std::to_string(entry.begin) +
                  ", which is not aligned");
    if (data > bytes.size() || entry.begin > bytes.size() - data ||
        entry.bytes > bytes.size() - data - entry.begin) {
      reader.Fail("tensor \"" + entry.name + "\" of " + std::to_string(entry.bytes) + " bytes at " +
                  std::to_string(entry.begin) + " reaches past the end of the file (" +
                  std::to_string(bytes.size()) + " bytes): truncated?");
    }
    entry.begin += data;
    // What lies twice in a file is decoded twice: a small one could ask for any memory.
    covered += entry.bytes;
    if (covered > bytes.size()) reader.Fail("its tensors overlap");
  }
  return header;
}

}  // namespace mind::diffusion
