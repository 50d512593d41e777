// Reports the course of one picture to the server.
#ifndef MIND_WORKER_LINK_IMAGE_EVENTS_H_
#define MIND_WORKER_LINK_IMAGE_EVENTS_H_

#include <atomic>
#include <functional>
#include <string>

#include "mind/v1/worker.pb.h"
#include "proto/support/message_size.h"
#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/link/metrics.h"

namespace mind {

// Calls come from the engine's threads. What is too large for the link concerns the one picture: its result
// becomes a failure that says so, its checkpoints are left out.
class ImageEvents : public diffusion::TrajectoryEvents {
 public:
  struct Callbacks {
    // True if it goes to the server.
    std::function<bool(v1::ConnectRequest)> report;
    // The engine has let go of it.
    std::function<void()> ended;
  };

  ImageEvents(v1::ImageRef image, v1::ImageSpec spec, WorkerMetrics& metrics, Callbacks callbacks,
              size_t max_payload = kMaxPayloadBytes)
      : image_(std::move(image)),
        spec_(std::move(spec)),
        metrics_(metrics),
        callbacks_(std::move(callbacks)),
        max_payload_(max_payload) {}

  void OnStarted(int64_t step) override;
  void OnStep(int64_t step, int64_t steps) override;
  void OnPreview(int64_t step, at::Tensor picture) override;
  void OnCheckpoint(int64_t step, std::string bytes) override;
  void OnPicture(at::Tensor picture) override;
  void OnHandedBack(int64_t step, std::string bytes) override;
  void OnCancelled(int64_t step) override;
  void OnFailed(std::exception_ptr error) override;

 private:
  // The picture's last report.
  void End(v1::ConnectRequest report);
  bool CheckpointFits(int64_t step, const std::string& bytes);

  const v1::ImageRef image_;
  const v1::ImageSpec spec_;
  WorkerMetrics& metrics_;
  const Callbacks callbacks_;
  const size_t max_payload_;
  std::atomic<bool> ended_ = false;  // a late checkpoint has nothing to go on with
  std::atomic<bool> told_of_too_large_ = false;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_IMAGE_EVENTS_H_
