#include "server/api/event_stream.h"

#include <utility>

#include "proto/support/errors.h"
#include "server/api/late_reading.h"

namespace mind::server {

EventStream::EventStream(EventStreamContext& context, const std::string& method,
                         std::optional<StandingCall> standing, Understand understand)
    : context_(context),
      open_call_(context.metrics.open_calls[method]),
      understand_(std::move(understand)),
      pump_(EventPump::Create(context.generation, context.post, *this)),
      standing_(std::move(standing)) {}

EventStream* EventStream::Start(EventStreamContext& context, const std::string& method,
                                std::optional<StandingCall> standing, Understand understand) {
  const std::shared_ptr<EventStream> stream(
      new EventStream(context, method, std::move(standing), std::move(understand)));
  stream->self_ = stream;
  stream->StartRead(&stream->request_);
  return stream.get();
}

void EventStream::OnReadDone(bool ok) {
  const absl::StatusOr<Begin> begin = ok ? understand_(std::exchange(request_, {})) : NotARequest();
  context_.post([stream = shared_from_this(), begin] {
    if (!begin.ok()) return stream->pump_->Refuse(begin.status());
    (*begin)(*stream->pump_);
  });
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
  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>::Finish(ToGrpc(status));
}

}  // namespace mind::server
