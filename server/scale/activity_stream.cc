#include "server/scale/activity_stream.h"

#include <utility>

#include "proto/support/errors.h"

namespace mind::server {

ActivityStream::ActivityStream(Post post, std::string model, StandingCall standing,
                               prometheus::Gauge& open_calls)
    : post_(std::move(post)),
      model_(std::move(model)),
      open_call_(open_calls),
      standing_(std::move(standing)) {}

ActivityStream* ActivityStream::Start(Post post, std::string model, StandingCall standing,
                                      prometheus::Gauge& open_calls,
                                      std::function<void(const std::shared_ptr<ActivityStream>&)> begin,
                                      std::function<void(const std::shared_ptr<ActivityStream>&)> gone) {
  const std::shared_ptr<ActivityStream> stream(
      new ActivityStream(std::move(post), std::move(model), std::move(standing), open_calls));
  stream->self_ = stream;
  stream->gone_ = std::move(gone);
  stream->post_([stream, begin = std::move(begin)] { begin(stream); });
  return stream.get();
}

void ActivityStream::Tell(bool active) {
  if (const absl::Status over = standing_.Check(); !over.ok()) return End(over);
  now_ = active;
  Go();
}

void ActivityStream::End(const absl::Status& status) {
  if (!end_) end_ = status;
  Go();
}

void ActivityStream::Go() {
  if (writing_ || finished_) return;
  if (end_) {
    finished_ = true;
    return Finish(ToGrpc(*end_));
  }
  if (told_ == now_) return;
  told_ = now_;
  written_.set_result(now_);
  writing_ = true;
  StartWrite(&written_);
}

void ActivityStream::OnWriteDone(bool ok) {
  post_([stream = shared_from_this(), ok] {
    stream->writing_ = false;
    ok ? stream->Go() : stream->End(absl::CancelledError("the caller has gone"));
  });
}

void ActivityStream::OnCancel() {
  post_([stream = shared_from_this()] { stream->End(absl::CancelledError("the caller has gone")); });
}

void ActivityStream::OnDone() {
  post_([stream = shared_from_this()] {
    stream->gone_(stream);
    stream->self_.reset();
  });
}

}  // namespace mind::server
