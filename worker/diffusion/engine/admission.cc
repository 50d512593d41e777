#include "worker/diffusion/engine/admission.h"

#include <algorithm>
#include <utility>

namespace mind::diffusion {
namespace {

bool ToldToEnd(const Trajectory& trajectory) {
  return trajectory.cancelled || trajectory.handed_back;
}

}  // namespace

Admission::Admission(ModelSource& models, ThreadPool& pool, Admitted admitted, int most_passes)
    : models_(models), pool_(pool), admitted_(std::move(admitted)), most_passes_(most_passes), door_([this] {
        Run();
      }) {
  models_.NotifyIdle([this] { OnIdle(); });
}

void Admission::Close() {
  models_.NotifyIdle(nullptr);
  {
    const MutexLock lock(mutex_);
    closing_ = true;
  }
  changed_.notify_all();
  door_.join();
  loader_.Close();
  std::shared_ptr<const Pipeline> loaded;  // let go of when the lock is no longer held
  const MutexLock lock(mutex_);
  loaded = std::move(loaded_);
}

void Admission::Enter(TrajectoryPtr trajectory) {
  {
    const MutexLock lock(mutex_);
    waiting_.push_back({std::move(trajectory)});
    look_ = true;
  }
  changed_.notify_all();
}

void Admission::Recheck() {
  {
    const MutexLock lock(mutex_);
    look_ = true;
  }
  changed_.notify_all();
}

void Admission::OnIdle() {
  {
    const MutexLock lock(mutex_);
    ++room_events_;
    look_ = true;
  }
  changed_.notify_all();
}

void Admission::Run() {
  for (;;) {
    std::shared_ptr<const Pipeline> loaded;
    std::vector<TrajectoryPtr> waiting;
    std::optional<std::vector<Leaving>> leaving = Next(waiting, loaded);
    if (!leaving) return;
    for (const TrajectoryPtr& one : waiting) one->events->OnSideWork(SideWork::kLoading);
    for (Leaving& one : *leaving) {
      const int64_t priority = one.trajectory->request.priority;
      pool_.Post(priority, [this, one = std::move(one)]() mutable {
        admitted_(one.trajectory, std::move(one.model), one.error);
      });
    }
  }
}

std::optional<std::vector<Admission::Leaving>> Admission::Next(std::vector<TrajectoryPtr>& waiting,
                                                               std::shared_ptr<const Pipeline>& loaded) {
  const MutexLock lock(mutex_);
  while (!look_ && !closing_) changed_.wait(mutex_);
  if (closing_) return std::nullopt;
  look_ = false;
  std::vector<Leaving> leaving = Look(waiting);
  loaded = std::move(loaded_);
  failed_.clear();
  failure_ = nullptr;
  return leaving;
}

std::vector<Admission::Leaving> Admission::Look(std::vector<TrajectoryPtr>& newly_waiting) {
  std::vector<Leaving> leaving;
  std::vector<Waiting> staying;
  for (Waiting& waiting : waiting_) {
    Leaving how;
    if (!Goes(waiting, staying, how)) {
      if (!std::exchange(waiting.told, true)) newly_waiting.push_back(waiting.trajectory);
      staying.push_back(std::move(waiting));
      continue;
    }
    if (how.model != nullptr) {
      for (Waiting& passed : staying) passed.passes += passed.kept_out ? 1 : 0;
    }
    how.trajectory = std::move(waiting.trajectory);
    leaving.push_back(std::move(how));
  }
  waiting_ = std::move(staying);
  return leaving;
}

bool Admission::Goes(Waiting& waiting, const std::vector<Waiting>& before, Leaving& how) {
  if (ToldToEnd(*waiting.trajectory)) return true;
  const std::string& name = waiting.trajectory->request.model;
  if (failure_ && name == failed_) {
    how.error = failure_;
    return true;
  }
  const bool closed = std::any_of(before.begin(), before.end(), [this](const Waiting& other) {
    return other.kept_out && other.passes >= most_passes_;
  });
  if (closed) return false;
  try {
    how.model = models_.GetLoaded(name);
  } catch (...) {
    how.error = std::current_exception();
  }
  if (how.model != nullptr || how.error) return true;
  const auto no_room = no_room_.find(name);
  if (no_room != no_room_.end() && no_room->second == room_events_) {
    waiting.kept_out = true;
  } else if (loading_.empty()) {
    loading_ = name;
    loader_.Post(0, [this, name, events = room_events_] { Load(name, events); });
  }
  return false;
}

void Admission::Load(const std::string& model, uint64_t room_events) {
  std::shared_ptr<const Pipeline> loaded;  // let go of when the lock is no longer held
  std::exception_ptr failure;
  bool room = true;
  try {
    loaded = models_.Get(model);
  } catch (const NoRoomNow&) {
    room = false;
  } catch (...) {
    failure = std::current_exception();
  }
  {
    const MutexLock lock(mutex_);
    loading_.clear();
    loaded_ = std::move(loaded);
    if (!room) no_room_[model] = room_events;
    if (failure) failed_ = model;
    failure_ = failure;
    look_ = true;
  }
  changed_.notify_all();
}

}  // namespace mind::diffusion
