// A picture to wait for: the events of a trajectory of which nothing but the end matters.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_AWAITED_PICTURE_H_
#define MIND_WORKER_DIFFUSION_ENGINE_AWAITED_PICTURE_H_

#include <future>
#include <string>

#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/diffusion/error.h"

namespace mind::diffusion {

class AwaitedPicture : public TrajectoryEvents {
 public:
  void OnStarted(int64_t) override {}
  void OnStep(int64_t, int64_t) override {}
  void OnPreview(int64_t, at::Tensor) override {}
  void OnCheckpoint(int64_t, std::string) override {}
  void OnPicture(at::Tensor picture) override { picture_.set_value(std::move(picture)); }
  void OnHandedBack(int64_t, std::string) override { Fail("handed back"); }
  void OnCancelled(int64_t) override { Fail("cancelled"); }
  void OnFailed(std::exception_ptr error) override { picture_.set_exception(error); }

  // uint8 [H, W, 3]. Once; throws what went wrong.
  at::Tensor Wait() { return future_.get(); }

 private:
  void Fail(const char* why) { picture_.set_exception(std::make_exception_ptr(Error(why))); }

  std::promise<at::Tensor> picture_;
  std::future<at::Tensor> future_ = picture_.get_future();
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_AWAITED_PICTURE_H_
