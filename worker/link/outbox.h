// What waits to be sent to the server, in the order in which it matters.
#ifndef MIND_WORKER_LINK_OUTBOX_H_
#define MIND_WORKER_LINK_OUTBOX_H_

#include <deque>
#include <memory>
#include <vector>

#include "mind/v1/worker.pb.h"

namespace mind {

// Shared with those who keep it until the server has it.
using ReportPtr = std::shared_ptr<const v1::ConnectRequest>;

// The picture a report is about; null if it is about none.
const v1::ImageRef* PictureOf(const v1::ConnectRequest& report);
bool SamePicture(const v1::ImageRef& a, const v1::ImageRef& b);
// A picture's last report: a result, a failure, a cancellation or a hand-back.
bool EndsPicture(const v1::ConnectRequest& report);

// Facts (registration, capacity, a picture's beginning and end) go first, in order. Then news, of which a
// picture has one place each for stage, progress, checkpoint and preview: a newer one takes the place of an
// older one that still waits, so that a slow link makes news rarer, not late, and what waits is bounded by
// the pictures in progress. A picture's end takes its news away. To a server that understands it, all
// progress that waits goes as one message. Not thread-safe.
class Outbox {
 public:
  // Gives the kind of what was dropped because of it, if anything was.
  v1::ConnectRequest::MessageCase Put(ReportPtr report);
  // The server understands progress of several pictures in one message.
  void SendProgressTogether() { together_ = true; }
  bool empty() const { return facts_.empty() && news_.empty(); }
  // REQUIRES: !empty()
  ReportPtr Take();

 private:
  // Takes the news of a picture that ends away; a checkpoint that its end does not make worthless is sent.
  void RemoveNews(const v1::ConnectRequest& end);
  // Adds what else waits of progress to what was taken.
  ReportPtr WithAllProgress(ReportPtr first);
  // What was done before the picture began is news no more when it has.
  void RemoveStage(const v1::ImageRef& image);

  std::deque<ReportPtr> facts_;
  std::deque<ReportPtr> news_;
  bool together_ = false;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_OUTBOX_H_
