#include "server/api/event_stream.h"

#include <utility>

#include "proto/support/errors.h"

namespace mind::server {

EventStream::EventStream(EventStreamContext& context, const std::string& method,
                         std::optional<StandingCall> standing)
    : context_(context),
      open_call_(context.metrics.open_calls[method]),
      pump_(EventPump::Create(context.generation, context.post, *this)),
      standing_(std::move(standing)) {}

EventStream* EventStream::Start(EventStreamContext& context, const std::string& method,
                                std::optional<StandingCall> standing, Begin begin) {
  const std::shared_ptr<EventStream> stream(new EventStream(context, method, std::move(standing)));
  stream->self_ = stream;
  context.post([stream, begin = std::move(begin)] { begin(*stream->pump_); });
  return stream.get();
}

void EventStream::OnWriteDone(bool ok) {
  context_.post([stream = shared_from_this(), ok] { stream->pump_->Wrote(ok); });
}

void EventStream::OnCancel() {
  context_.post([stream = shared_from_this()] { stream->pump_->CallerLeft(); });
}

void EventStream::OnDone() {
  context_.post([stream = shared_from_this()] { stream->self_.reset(); });
}

void EventStream::Write(const JobEventPtr& event) {
  if (const absl::Status over = standing_ ? standing_->Check() : absl::OkStatus(); !over.ok()) {
    pump_->Refuse(over);
    return pump_->Wrote(true);
  }
  written_ = context_.wires.Of(event);
  StartWrite(&written_);
}

void EventStream::Finish(const absl::Status& status) {
  grpc::ServerWriteReactor<grpc::ByteBuffer>::Finish(ToGrpc(status));
}

}  // namespace mind::server
