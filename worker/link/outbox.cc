#include "worker/link/outbox.h"

#include <algorithm>

#include "absl/status/status.h"

namespace mind {
namespace {

using Kind = v1::ConnectRequest::MessageCase;

bool IsNews(const v1::ConnectRequest& report) {
  return report.has_image_progress() || report.has_image_checkpoint() || report.has_image_preview() ||
         report.has_image_stage();
}

// Whether the picture can be gone on with elsewhere, and the end itself does not say from where.
bool LeavesCheckpoint(const v1::ConnectRequest& end) {
  if (end.has_image_handed_back()) return end.image_handed_back().checkpoint().empty();
  return end.has_image_failure() &&
         end.image_failure().error().code() != static_cast<int>(absl::StatusCode::kDataLoss);
}

// What the newer one may stand in for.
bool Replaces(const v1::ConnectRequest& newer, const v1::ConnectRequest& older) {
  if (newer.message_case() != older.message_case()) return false;
  if (newer.has_capacity()) return true;
  return IsNews(newer) && SamePicture(*PictureOf(newer), *PictureOf(older));
}

}  // namespace

const v1::ImageRef* PictureOf(const v1::ConnectRequest& report) {
  switch (report.message_case()) {
    case Kind::kImageStarted:
      return &report.image_started().image();
    case Kind::kImageProgress:
      return &report.image_progress().image();
    case Kind::kImagePreview:
      return &report.image_preview().image();
    case Kind::kImageCheckpoint:
      return &report.image_checkpoint().image();
    case Kind::kImageStage:
      return &report.image_stage().image();
    case Kind::kImageResult:
      return &report.image_result().image();
    case Kind::kImageFailure:
      return &report.image_failure().image();
    case Kind::kImageCancelled:
      return &report.image_cancelled().image();
    case Kind::kImageHandedBack:
      return &report.image_handed_back().image();
    default:
      return nullptr;
  }
}

bool SamePicture(const v1::ImageRef& a, const v1::ImageRef& b) {
  return a.job_id() == b.job_id() && a.attempt() == b.attempt() && a.image_index() == b.image_index();
}

bool EndsPicture(const v1::ConnectRequest& report) {
  return report.has_image_result() || report.has_image_failure() || report.has_image_cancelled() ||
         report.has_image_handed_back();
}

Kind Outbox::Put(ReportPtr report) {
  if (EndsPicture(*report)) RemoveNews(*report);
  if (report->has_image_started()) RemoveStage(report->image_started().image());
  std::deque<ReportPtr>& queue = IsNews(*report) ? news_ : facts_;
  for (ReportPtr& waiting : queue) {
    if (!Replaces(*report, *waiting)) continue;
    waiting = std::move(report);
    return waiting->message_case();
  }
  queue.push_back(std::move(report));
  return Kind::MESSAGE_NOT_SET;
}

ReportPtr Outbox::Take() {
  std::deque<ReportPtr>& queue = facts_.empty() ? news_ : facts_;
  ReportPtr report = std::move(queue.front());
  queue.pop_front();
  return together_ && report->has_image_progress() ? WithAllProgress(std::move(report)) : report;
}

ReportPtr Outbox::WithAllProgress(ReportPtr first) {
  v1::ConnectRequest all;
  std::erase_if(news_, [&](const ReportPtr& waiting) {
    if (!waiting->has_image_progress()) return false;
    *all.mutable_images_progress()->add_images() = waiting->image_progress();
    return true;
  });
  if (!all.has_images_progress()) return first;
  *all.mutable_images_progress()->add_images() = first->image_progress();
  return std::make_shared<const v1::ConnectRequest>(std::move(all));
}

void Outbox::RemoveStage(const v1::ImageRef& image) {
  std::erase_if(news_, [&](const ReportPtr& waiting) {
    return waiting->has_image_stage() && SamePicture(waiting->image_stage().image(), image);
  });
}

void Outbox::RemoveNews(const v1::ConnectRequest& end) {
  std::erase_if(news_, [&](const ReportPtr& waiting) {
    if (!SamePicture(*PictureOf(*waiting), *PictureOf(end))) return false;
    if (waiting->has_image_checkpoint() && LeavesCheckpoint(end)) facts_.push_back(waiting);
    return true;
  });
}

}  // namespace mind
