#include "server/http/event_encodings.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/base/call_once.h"
#include "server/http/proto_json.h"
#include "server/http/sse.h"

namespace mind::server {
namespace {

constexpr size_t kNewest = 64;
constexpr size_t kFewSlots = 256;  // not worth a sweep

std::string EventName(const v1::JobEvent& event) {
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

}  // namespace

struct EventEncodings::Slot {
  explicit Slot(JobEventPtr of) : event(std::move(of)) {}

  const JobEventPtr event;
  absl::once_flag once;
  SharedBytes bytes;
};

std::function<SharedBytes()> EventEncodings::Of(const JobEventPtr& event) {
  std::weak_ptr<Slot>& known = slots_[event.get()];
  std::shared_ptr<Slot> slot = known.lock();
  if (slot == nullptr) {
    slot = std::make_shared<Slot>(event);
    known = slot;
    newest_.push_back(slot);
    if (newest_.size() > kNewest) newest_.pop_front();
    Sweep();
  }
  return [slot] {
    absl::call_once(slot->once, [&] { slot->bytes = EncodeEvent(*slot->event); });
    return slot->bytes;
  };
}

void EventEncodings::Sweep() {
  if (slots_.size() < std::max(sweep_at_, kFewSlots)) return;
  absl::erase_if(slots_, [](const auto& entry) { return entry.second.expired(); });
  sweep_at_ = 2 * slots_.size();
}

SharedBytes EncodeEvent(const v1::JobEvent& event) {
  v1::JobEvent shown;
  const v1::JobEvent* message = &event;
  if (event.has_image()) {
    shown = event;
    shown.mutable_image()->clear_data();
    message = &shown;
  }
  return std::make_shared<const std::string>(SseEvent(event.sequence(), EventName(event), ToJson(*message)));
}

}  // namespace mind::server
