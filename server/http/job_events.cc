#include "server/http/job_events.h"

#include <utility>

#include "server/http/proto_json.h"
#include "server/http/sse.h"
#include "server/http/status.h"

namespace mind::server {
namespace {

std::string NameOf(const v1::JobEvent& event) {
  switch (event.event_case()) {
    case v1::JobEvent::kQueued:
      return "queued";
    case v1::JobEvent::kWaiting:
      return "waiting";
    case v1::JobEvent::kStage:
      return "stage";
    case v1::JobEvent::kStarted:
      return "started";
    case v1::JobEvent::kProgress:
      return "progress";
    case v1::JobEvent::kPreview:
      return "preview";
    case v1::JobEvent::kImage:
      return "image";
    case v1::JobEvent::kCompleted:
      return "completed";
    case v1::JobEvent::EVENT_NOT_SET:
      break;
  }
  return "";
}

SharedBytes Encode(const JobEventPtr& event) {
  v1::JobEvent shown;
  const v1::JobEvent* message = event.get();
  if (event->has_image()) {
    shown = *event;
    shown.mutable_image()->clear_data();
    message = &shown;
  }
  return std::make_shared<const std::string>(SseEvent(event->sequence(), NameOf(*event), ToJson(*message)));
}

class JobEvents : public JobCall::Listener {
 public:
  explicit JobEvents(ExchangePtr exchange) : exchange_(std::move(exchange)) {}

  void OnEvent(const JobEventPtr& event, std::function<void()> taken) override {
    if (!std::exchange(began_, true)) exchange_->Begin(SseHead(), SseHeartbeat());
    // Of a picture's parts only the last is told, without what is in it.
    if (event->has_image() && !event->image().last()) return taken();
    exchange_->Send([event] { return Encode(event); }, std::move(taken));
  }

  void OnEnd(const absl::Status& status) override {
    if (!began_ && !status.ok()) return exchange_->Answer(ErrorResponse(status));
    if (!began_) exchange_->Begin(SseHead(), nullptr);
    if (status.ok()) return exchange_->End();
    exchange_->Send(
        std::make_shared<const std::string>(SseEvent(std::nullopt, "error", *ErrorResponse(status).body)),
        nullptr);
    exchange_->End();
  }

 private:
  const ExchangePtr exchange_;
  bool began_ = false;
};

}  // namespace

std::unique_ptr<JobCall::Listener> NewJobEvents(const ExchangePtr& exchange) {
  return std::make_unique<JobEvents>(exchange);
}

}  // namespace mind::server
