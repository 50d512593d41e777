// Remembers what happened to one picture.
#ifndef MIND_TESTS_UNIT_DIFFUSION_RECORDER_H_
#define MIND_TESTS_UNIT_DIFFUSION_RECORDER_H_

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "worker/diffusion/engine/trajectory_request.h"

namespace mind::diffusion {

enum class Ending { kPicture, kHandedBack, kCancelled, kFailed };

class Recorder : public TrajectoryEvents {
 public:
  void OnSideWork(SideWork work) override {
    const std::lock_guard lock(mutex);
    side_work.push_back(work);
  }
  void OnStarted(int64_t step) override { started_at = step; }
  void OnStep(int64_t step, int64_t) override {
    steps = step;
    if (on_step) on_step(step);
  }
  void OnPreview(int64_t step, at::Tensor picture) override {
    const std::lock_guard lock(mutex);
    previews.push_back(step);
    EXPECT_EQ(picture.dim(), 3);
  }
  void OnCheckpoint(int64_t step, std::string bytes) override {
    const std::lock_guard lock(mutex);
    checkpoints[step] = std::move(bytes);
  }
  void OnPicture(at::Tensor made) override {
    picture = made;
    ended.set_value(Ending::kPicture);
  }
  void OnHandedBack(int64_t, std::string bytes) override {
    handed_back = std::move(bytes);
    ended.set_value(Ending::kHandedBack);
  }
  void OnCancelled(int64_t step) override {
    steps = step;
    ended.set_value(Ending::kCancelled);
  }
  void OnFailed(std::exception_ptr e) override {
    error = e;
    ended.set_value(Ending::kFailed);
  }

  Ending Wait() { return future.get(); }
  std::string Error() const {
    if (!error) return "";
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      return e.what();
    }
  }

  std::function<void(int64_t)> on_step;
  std::atomic<int64_t> started_at = -1, steps = 0;
  std::mutex mutex;
  std::vector<SideWork> side_work;
  std::vector<int64_t> previews;
  std::map<int64_t, std::string> checkpoints;
  at::Tensor picture;
  std::string handed_back;
  std::exception_ptr error;
  std::promise<Ending> ended;
  std::future<Ending> future = ended.get_future();
};

}  // namespace mind::diffusion

#endif  // MIND_TESTS_UNIT_DIFFUSION_RECORDER_H_
