#include "server/api/event_stream.h"

namespace mind::server {

EventStream::EventStream(const EventStreamContext& context, const std::string& method)
    : post_(context.post),
      open_call_(context.metrics.open_calls[method]),
      pump_(EventPump::Create(context.generation, context.post, *this)) {}

void EventStream::Open(Begin begin) {
  self_ = shared_from_this();
  post_([stream = self_, begin = std::move(begin)] { begin(*stream->pump_); });
}

void EventStream::Wrote(bool ok) {
  post_([stream = shared_from_this(), ok] { stream->pump_->Wrote(ok); });
}

void EventStream::CallerLeft() {
  post_([stream = shared_from_this()] { stream->pump_->CallerLeft(); });
}

void EventStream::Done() {
  post_([stream = shared_from_this()] { stream->self_.reset(); });
}

}  // namespace mind::server
