#include "worker/diffusion/weights/mindspore.h"

#include <boost/crc.hpp>
#include <cstring>
#include <limits>
#include <optional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/mapped_file.h"
#include "worker/diffusion/weights/protobuf_reader.h"

namespace mind::diffusion {
namespace {

struct MindSporeType {
  std::string_view name;
  at::ScalarType dtype;
};
// Old versions write "Uint8", new ones "UInt8".
constexpr MindSporeType kTypes[] = {
    {"Float16", at::kHalf}, {"Float32", at::kFloat}, {"Float64", at::kDouble}, {"BFloat16", at::kBFloat16},
    {"Int8", at::kChar},    {"Int16", at::kShort},   {"Int32", at::kInt},      {"Int64", at::kLong},
    {"Bool", at::kBool},    {"Uint8", at::kByte},    {"UInt8", at::kByte},     {"Uint16", at::kShort},
    {"UInt16", at::kShort}, {"Uint32", at::kInt},    {"UInt32", at::kInt},     {"Uint64", at::kLong},
    {"UInt64", at::kLong},
};
constexpr size_t kMaxDimensions = 8;

// One Value message: a tensor, or a piece of one.
struct Piece {
  std::optional<std::string> tag;
  std::optional<std::string_view> type, content;
  std::vector<int64_t> dims;
  bool map_tensor = false;
};

class CheckpointParser {
 public:
  CheckpointParser(std::string_view bytes, std::string name) : bytes_(bytes), result_{std::move(name), {}} {}

  NamedTensors Parse() {
    StripChecksum();
    if (bytes_.empty()) Fail("the file is empty");
    ProtobufReader reader(bytes_, result_.source);
    while (reader.Next()) {
      // Field 1 of Checkpoint: Value. Others are from a newer version, and skipped.
      if (reader.field() == 1) Add(ReadValue(reader.Bytes()));
    }
    FinishPending();
    if (result_.tensors.empty()) Fail("not a MindSpore checkpoint: no tensors in it");
    return std::move(result_);
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { throw ModelError(result_.source + ": " + what); }

  // The last 17 bytes of a file saved with crc_check: "crc_num" and a CRC-32 in ten bytes, big endian.
  void StripChecksum() {
    constexpr std::string_view kWord = "crc_num";
    constexpr size_t kDigits = 10;
    if (bytes_.size() < kWord.size() + kDigits) return;
    const std::string_view trailer = bytes_.substr(bytes_.size() - kWord.size() - kDigits);
    if (trailer.substr(0, kWord.size()) != kWord) return;
    bytes_.remove_suffix(trailer.size());
    uint64_t stored = 0;
    for (const char c : trailer.substr(kWord.size())) stored = stored << 8 | static_cast<unsigned char>(c);
    boost::crc_32_type checksum;
    checksum.process_bytes(bytes_.data(), bytes_.size());
    if (stored != checksum.checksum()) Fail("the checksum at the end does not fit: the file is damaged");
  }

  Piece ReadValue(std::string_view bytes) const {
    Piece piece;
    ProtobufReader reader(bytes, result_.source);
    while (reader.Next()) {
      if (reader.field() == 1) piece.tag = std::string(reader.Bytes());
      if (reader.field() == 2) ReadTensor(reader.Bytes(), piece);
      if (reader.field() == 3) piece.map_tensor = true;
    }
    if (!piece.tag) Fail("an entry has no name");
    if (piece.map_tensor) Fail("\"" + *piece.tag + "\" is a map tensor, which is not supported");
    if (!piece.type) Fail("\"" + *piece.tag + "\" has no tensor_type");
    if (!piece.content) Fail("\"" + *piece.tag + "\" has no tensor_content");
    return piece;
  }

  void ReadTensor(std::string_view bytes, Piece& piece) const {
    ProtobufReader reader(bytes, result_.source);
    while (reader.Next()) {
      if (reader.field() == 1) {
        for (const uint64_t dim : reader.Varints()) piece.dims.push_back(static_cast<int64_t>(dim));
        if (piece.dims.size() > kMaxDimensions) Fail("a tensor of more than 8 dimensions");
      }
      if (reader.field() == 2) piece.type = reader.Bytes();
      if (reader.field() == 3) piece.content = reader.Bytes();
    }
  }

  // Large tensors come as several entries of one name, each with the whole tensor's dimensions.
  void Add(Piece piece) {
    if (pending_ && *pending_->tag == *piece.tag) {
      if (pending_->dims != piece.dims || *pending_->type != *piece.type) {
        Fail("the pieces of \"" + *piece.tag + "\" differ in shape or type");
      }
    } else {
      FinishPending();
      if (result_.Has(*piece.tag)) Fail("\"" + *piece.tag + "\" comes twice");
      pending_ = piece;
    }
    contents_.push_back(*piece.content);
  }

  void FinishPending() {
    if (!pending_) return;
    const Piece piece = *std::exchange(pending_, std::nullopt);
    const std::vector<std::string_view> contents = std::exchange(contents_, {});
    if (*piece.type == "str") return;
    const MindSporeType* type = nullptr;
    for (const MindSporeType& known : kTypes) {
      if (known.name == *piece.type) type = &known;
    }
    if (type == nullptr)
      Fail("\"" + *piece.tag + "\" has the unknown type \"" + std::string(*piece.type) + "\"");
    uint64_t size = 0;
    for (const std::string_view content : contents) size += content.size();
    const std::vector<int64_t> shape = ShapeOf(piece, size, c10::elementSize(type->dtype));
    at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(type->dtype));
    char* out = static_cast<char*>(tensor.data_ptr());
    for (const std::string_view content : contents) {
      if (!content.empty()) std::memcpy(out, content.data(), content.size());
      out += content.size();
    }
    result_.tensors.emplace(*piece.tag, std::move(tensor));
  }

  // The shape, having checked that it makes `size` bytes.
  std::vector<int64_t> ShapeOf(const Piece& piece, uint64_t size, uint64_t element) const {
    if (piece.dims == std::vector<int64_t>{0} && size == element) return {};
    uint64_t elements = 1;
    for (const int64_t dim : piece.dims) {
      if (dim < 0 || (dim > 0 && elements > std::numeric_limits<int64_t>::max() / static_cast<uint64_t>(dim)))
        Fail("\"" + *piece.tag + "\" has an impossible dimension " + std::to_string(dim));
      elements *= static_cast<uint64_t>(dim);
    }
    if (size % element != 0 || size / element != elements) {
      Fail("\"" + *piece.tag + "\" holds " + std::to_string(size) + " bytes, its shape and type ask for " +
           std::to_string(elements) + " elements of " + std::to_string(element));
    }
    return piece.dims;
  }

  std::string_view bytes_;
  NamedTensors result_;
  std::optional<Piece> pending_;  // the tensor whose pieces are being gathered
  std::vector<std::string_view> contents_;
};

}  // namespace

NamedTensors ReadMindSpore(const std::string& path) {
  const MappedFile file(path);
  return ParseMindSpore(file.bytes(), path);
}

NamedTensors ParseMindSpore(std::string_view bytes, const std::string& name) {
  return CheckpointParser(bytes, name).Parse();
}

}  // namespace mind::diffusion
