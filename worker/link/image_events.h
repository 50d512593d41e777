// Reports the course of one picture to the server.
#ifndef MIND_WORKER_LINK_IMAGE_EVENTS_H_
#define MIND_WORKER_LINK_IMAGE_EVENTS_H_

#include <functional>
#include <memory>
#include <string>

#include "mind/v1/worker.pb.h"
#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/link/metrics.h"
#include "worker/link/stream.h"

namespace mind {

// Calls come from the engine's threads.
class ImageEvents : public diffusion::TrajectoryEvents {
 public:
  struct Callbacks {
    // Its last state could not be reported because the stream has ended: keep it for the next.
    std::function<void(v1::ImageCheckpoint)> keep;
    // The engine has let go of it.
    std::function<void()> ended;
  };

  ImageEvents(std::shared_ptr<Stream> stream, v1::ImageRef image, v1::ImageSpec spec, WorkerMetrics& metrics,
              Callbacks callbacks)
      : stream_(std::move(stream)),
        image_(std::move(image)),
        spec_(std::move(spec)),
        metrics_(metrics),
        callbacks_(std::move(callbacks)) {}

  void OnStarted(int64_t step) override;
  void OnStep(int64_t step, int64_t steps) override;
  void OnPreview(int64_t step, at::Tensor picture) override;
  void OnCheckpoint(int64_t step, std::string bytes) override;
  void OnPicture(at::Tensor picture) override;
  void OnHandedBack(int64_t step, std::string bytes) override;
  void OnCancelled(int64_t step) override;
  void OnFailed(std::exception_ptr error) override;

 private:
  void Keep(int64_t step, std::string bytes);

  const std::shared_ptr<Stream> stream_;
  const v1::ImageRef image_;
  const v1::ImageSpec spec_;
  WorkerMetrics& metrics_;
  const Callbacks callbacks_;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_IMAGE_EVENTS_H_
