#include "worker/diffusion/engine/admission.h"

namespace mind::diffusion {
namespace {

bool ToldToEnd(const Trajectory& trajectory) {
  return trajectory.cancelled || trajectory.handed_back;
}

}  // namespace

Admission::Admission(ModelSource& models, ThreadPool& pool, Admitted admitted)
    : models_(models), pool_(pool), admitted_(std::move(admitted)) {
  models_.NotifyIdle([this] { OnIdle(); });
}

void Admission::Close() {
  models_.NotifyIdle(nullptr);
}

void Admission::Enter(TrajectoryPtr trajectory) {
  pool_.Post([this, trajectory = std::move(trajectory)] { Admit(trajectory); });
}

void Admission::Recheck() {
  pool_.Post([this] {
    std::deque<TrajectoryPtr> leaving;
    {
      const std::lock_guard lock(mutex_);
      std::erase_if(waiting_, [&](const TrajectoryPtr& t) {
        if (ToldToEnd(*t)) leaving.push_back(t);
        return ToldToEnd(*t);
      });
      StartRetry();  // the first may have been what kept the others
    }
    for (const TrajectoryPtr& trajectory : leaving) admitted_(trajectory, nullptr, nullptr);
  });
}

void Admission::Admit(const TrajectoryPtr& trajectory) {
  uint64_t events = 0;
  {
    const std::lock_guard lock(mutex_);
    if (retrying_ || !waiting_.empty()) return waiting_.push_back(trajectory);
    events = idle_events_;
  }
  if (Try(trajectory)) return;
  const std::lock_guard lock(mutex_);
  waiting_.push_back(trajectory);
  if (events != idle_events_ || ToldToEnd(*trajectory)) StartRetry();
}

bool Admission::Try(const TrajectoryPtr& trajectory) {
  std::shared_ptr<const Pipeline> model;
  std::exception_ptr error;
  if (!ToldToEnd(*trajectory)) {
    try {
      model = models_.Get(trajectory->request.model);
    } catch (const NoRoomNow&) {
      return false;
    } catch (...) {
      error = std::current_exception();
    }
  }
  admitted_(trajectory, std::move(model), error);
  return true;
}

void Admission::OnIdle() {
  const std::lock_guard lock(mutex_);
  ++idle_events_;
  StartRetry();
}

void Admission::StartRetry() {
  if (retrying_ || waiting_.empty()) return;
  retrying_ = true;
  pool_.Post([this] { Retry(); });
}

void Admission::Retry() {
  for (;;) {
    TrajectoryPtr first;
    uint64_t events = 0;
    {
      const std::lock_guard lock(mutex_);
      if (waiting_.empty()) {
        retrying_ = false;
        return;
      }
      first = std::move(waiting_.front());
      waiting_.pop_front();
      events = idle_events_;
    }
    if (Try(first)) continue;
    const std::lock_guard lock(mutex_);
    const bool again = events != idle_events_ || ToldToEnd(*first);
    waiting_.push_front(std::move(first));
    if (again) continue;
    retrying_ = false;
    return;
  }
}

}  // namespace mind::diffusion
