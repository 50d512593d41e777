#include "server/api/event_wires.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/slice.h>

#include <algorithm>

namespace mind::server {
namespace {

constexpr size_t kKept = 16;

grpc::ByteBuffer Serialize(const v1::JobEvent& event) {
  using google::protobuf::internal::WireFormatLite;
  using google::protobuf::io::CodedOutputStream;
  const auto size = static_cast<uint32_t>(event.ByteSizeLong());
  const uint32_t tag = WireFormatLite::MakeTag(1, WireFormatLite::WIRETYPE_LENGTH_DELIMITED);
  grpc::Slice slice(CodedOutputStream::VarintSize32(tag) + CodedOutputStream::VarintSize32(size) + size);
  auto* end = const_cast<uint8_t*>(slice.begin());  // nobody else has it yet
  end = CodedOutputStream::WriteVarint32ToArray(tag, end);
  end = CodedOutputStream::WriteVarint32ToArray(size, end);
  event.SerializeWithCachedSizesToArray(end);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

grpc::ByteBuffer EventWires::Of(const JobEventPtr& event) {
  if (event->has_image()) return Serialize(*event);  // each watcher has its own
  const auto found =
      std::find_if(recent_.begin(), recent_.end(), [&event](const auto& one) { return one.first == event; });
  if (found != recent_.end()) return found->second;
  recent_.emplace_front(event, Serialize(*event));
  if (recent_.size() > kKept) recent_.pop_back();
  return recent_.front().second;
}

}  // namespace mind::server
