#include "worker/diffusion/weights/protobuf_reader.h"

#include <cstring>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kDelimited = 2, kFixed32 = 5 };

}  // namespace

void ProtobufReader::Fail(const std::string& what) const {
  throw ModelError(source_ + ": not a protobuf message: " + what);
}

uint64_t ProtobufReader::TakeVarint(std::string_view& from) const {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (from.empty()) Fail("it ends inside a number");
    const auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return value;
  }
  Fail("a number of more than 64 bits");
}

bool ProtobufReader::Next() {
  if (rest_.empty()) return false;
  const uint64_t key = TakeVarint(rest_);
  field_ = static_cast<uint32_t>(key >> 3);
  wire_type_ = static_cast<uint32_t>(key & 7);
  if (field_ == 0 || key >> 3 > 0x1fffffff) Fail("an impossible field number");
  uint64_t length = 0;
  switch (wire_type_) {
    case kVarint:
      varint_ = TakeVarint(rest_);
      return true;
    case kFixed64:
      length = 8;
      break;
    case kDelimited:
      length = TakeVarint(rest_);
      break;
    case kFixed32:
      length = 4;
      break;
    default:
      Fail("wire type " + std::to_string(wire_type_));
  }
  if (length > rest_.size()) {
    Fail("a field of " + std::to_string(length) + " bytes where " + std::to_string(rest_.size()) +
         " are left");
  }
  bytes_ = rest_.substr(0, length);
  rest_.remove_prefix(length);
  return true;
}

std::string_view ProtobufReader::Bytes() const {
  if (wire_type_ != kDelimited) Fail("field " + std::to_string(field_) + " has the wrong wire type");
  return bytes_;
}

std::vector<uint64_t> ProtobufReader::Varints() const {
  if (wire_type_ == kVarint) return {varint_};
  std::vector<uint64_t> values;
  for (std::string_view packed = Bytes(); !packed.empty();) values.push_back(TakeVarint(packed));
  return values;
}

float ProtobufReader::Float() const {
  if (wire_type_ != kFixed32) Fail("field " + std::to_string(field_) + " has the wrong wire type");
  float value = 0;
  std::memcpy(&value, bytes_.data(), sizeof value);
  return value;
}

}  // namespace mind::diffusion
