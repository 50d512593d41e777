// Protobuf's wire format, field by field, over bytes that may be anything.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_PROTOBUF_READER_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_PROTOBUF_READER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mind::diffusion {

// Walks the fields of one message:
//   ProtobufReader reader(bytes, "file.ckpt");
//   while (reader.Next()) if (reader.field() == 1) use(reader.Bytes());
// Fields nobody asks about are skipped. The bytes are not copied and must outlive the reader. Throws
// ModelError, naming `source`, on anything that is not a message: a varint or length that leaves the bytes,
// field number 0, groups. Source: protobuf.dev, "Encoding".
class ProtobufReader {
 public:
  ProtobufReader(std::string_view bytes, std::string source) : rest_(bytes), source_(std::move(source)) {}

  // Goes to the next field. False at the end.
  bool Next();

  uint32_t field() const { return field_; }
  // The field's value, which must be length-delimited: bytes, a string, a message.
  std::string_view Bytes() const;
  // The field's value or values: one varint, or several packed.
  std::vector<uint64_t> Varints() const;
  // The field's value, which must have four bytes.
  float Float() const;

 private:
  uint64_t TakeVarint(std::string_view& from) const;
  [[noreturn]] void Fail(const std::string& what) const;

  std::string_view rest_;
  std::string source_;
  uint32_t field_ = 0;
  uint32_t wire_type_ = 0;
  uint64_t varint_ = 0;
  std::string_view bytes_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_PROTOBUF_READER_H_
