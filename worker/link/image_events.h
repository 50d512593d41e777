// Reports the course of one picture to the server.
#ifndef MIND_WORKER_LINK_IMAGE_EVENTS_H_
#define MIND_WORKER_LINK_IMAGE_EVENTS_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "mind/v1/worker.pb.h"
#include "proto/support/logging.h"
#include "proto/support/message_size.h"
#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/image/watermark.h"
#include "worker/link/attempt_trace.h"
#include "worker/link/metrics.h"

namespace mind {

// Calls come from the engine's threads, and late previews and checkpoints even after the picture's end: those
// are dropped, so that whoever stands behind the callbacks may go once `ended` was called. What is too large
// for the link concerns the one picture: its result becomes a failure that says so, its checkpoints are left
// out.
class ImageEvents : public diffusion::TrajectoryEvents {
 public:
  struct Callbacks {
    // True if it goes to the server. Not called any more once `ended` is.
    std::function<bool(v1::ConnectRequest)> report;
    // The last call of all.
    std::function<void()> ended;
  };

  ImageEvents(v1::ImageRef image, v1::ImageSpec spec, WorkerMetrics& metrics, Callbacks callbacks,
              size_t max_payload = kMaxPayloadBytes, AttemptTrace::Options trace = {},
              const image::Watermark* watermark = nullptr)
      : image_(std::move(image)),
        spec_(std::move(spec)),
        metrics_(metrics),
        callbacks_(std::move(callbacks)),
        max_payload_(max_payload),
        watermark_(watermark),
        trace_id_(TraceIdOf(trace.traceparent)),
        trace_(std::move(trace), image_) {}

  void OnSideWork(diffusion::SideWork work) override;
  void OnStarted(int64_t step) override;
  void OnStep(int64_t step, int64_t steps) override;
  void OnPreview(int64_t step, at::Tensor picture) override;
  void OnCheckpoint(int64_t step, std::string bytes) override;
  void OnPicture(at::Tensor picture) override;
  void OnHandedBack(int64_t step, std::string bytes) override;
  void OnCancelled(int64_t step) override;
  void OnFailed(std::exception_ptr error) override;

 private:
  // False, and nothing is reported, if the picture has ended.
  bool Report(v1::ConnectRequest report) ABSL_LOCKS_EXCLUDED(mutex_);
  // The picture's last report. Waits for one that is under way.
  void End(v1::ConnectRequest report) ABSL_LOCKS_EXCLUDED(mutex_);
  LogFields Fields() const;
  bool CheckpointFits(int64_t step, const std::string& bytes);

  const v1::ImageRef image_;
  const v1::ImageSpec spec_;
  WorkerMetrics& metrics_;
  const Callbacks callbacks_;
  const size_t max_payload_;
  const image::Watermark* const watermark_;
  const std::string trace_id_;
  AttemptTrace trace_;
  std::atomic<bool> told_of_too_large_ = false;

  // Held while one is reported: that only puts it where it waits to be sent.
  absl::Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_IMAGE_EVENTS_H_
