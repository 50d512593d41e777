#include "server/http/job_events.h"

#include <utility>

#include "server/http/sse.h"
#include "server/http/status.h"

namespace mind::server {
namespace {

class JobEvents : public JobCall::Listener {
 public:
  JobEvents(ExchangePtr exchange, std::shared_ptr<EventEncodings> encodings)
      : exchange_(std::move(exchange)), encodings_(std::move(encodings)) {}

  void OnEvent(const JobEventPtr& event, std::function<void()> taken) override {
    if (!std::exchange(began_, true)) exchange_->Begin(SseHead(), SseHeartbeat());
    // Of a picture's parts only the last is told, without what is in it.
    if (event->has_image() && !event->image().last()) return taken();
    // Each watcher reads pictures for itself; the bytes of one are not to be kept for others.
    if (event->has_image()) return exchange_->Send([event] { return EncodeEvent(*event); }, std::move(taken));
    exchange_->Send(encodings_->Of(event), std::move(taken));
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
  const std::shared_ptr<EventEncodings> encodings_;
  bool began_ = false;
};

}  // namespace

std::unique_ptr<JobCall::Listener> NewJobEvents(const ExchangePtr& exchange,
                                                std::shared_ptr<EventEncodings> encodings) {
  return std::make_unique<JobEvents>(exchange, std::move(encodings));
}

}  // namespace mind::server
