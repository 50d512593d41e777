// What the engine does beside its step thread: preparing, going from stage to stage, decoding, previews,
// checkpoints.
#include <algorithm>
#include <utility>

#include "worker/diffusion/engine/checkpoint.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/models/wrapping.h"

namespace mind::diffusion {
namespace {

bool IsNotServed(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const NotServed&) {
    return true;
  } catch (...) {
    return false;
  }
}

SideWork WorkAfterStage(const Trajectory& t) {
  if (t.stage_number + 1 == t.stages.size()) return SideWork::kDecoding;
  return t.stages[t.stage_number + 1].continues_latents ? SideWork::kEncoding : SideWork::kUpscaling;
}

}  // namespace

void Engine::OnAdmitted(const TrajectoryPtr& trajectory, const std::shared_ptr<const Pipeline>& model,
                        std::exception_ptr error) {
  if (trajectory->cancelled) {
    return End(trajectory, [](TrajectoryEvents& events) { events.OnCancelled(0); });
  }
  const std::string& meant = trajectory->request.revision;
  const bool others = model != nullptr && !meant.empty() && model->info().revision != meant;
  // The model has changed since it was asked for: somebody else may have it still.
  const bool changed = others || (error && !meant.empty() && IsNotServed(error));
  if (error && !changed) return Fail(trajectory, error);
  if (model == nullptr || changed)
    return End(trajectory, [](TrajectoryEvents& events) { events.OnHandedBack(0, ""); });
  StepAside(trajectory);
  trajectory->events->OnSideWork(SideWork::kEncoding);
  const HandsScope hands(idle_cores_);
  try {
    Prepare(*trajectory, model, options_.decode);
  } catch (...) {
    return Fail(trajectory, std::current_exception());
  }
  Arrive(trajectory);
}

void Engine::StepAside(const TrajectoryPtr& trajectory) {
  const MutexLock lock(mutex_);
  trajectory->aside = true;
  ++aside_[trajectory->request.priority];
}

void Engine::ComeBack(Trajectory& trajectory) {
  if (!std::exchange(trajectory.aside, false)) return;
  const auto found = aside_.find(trajectory.request.priority);
  if (--found->second == 0) aside_.erase(found);
}

size_t Engine::BusyAbove(int64_t priority) const {
  if (!options_.device.is_cpu()) return 0;
  const MutexLock lock(mutex_);
  size_t busy = 0;
  for (auto above = aside_.upper_bound(priority); above != aside_.end(); ++above) busy += above->second;
  return std::min(busy, static_cast<size_t>(options_.side_threads));
}

void Engine::Arrive(const TrajectoryPtr& trajectory) {
  {
    const MutexLock lock(mutex_);
    ComeBack(*trajectory);
    arrivals_.push_back(trajectory);
    stirred_ = true;
  }
  changed_.notify_all();
}

void Engine::FinishStage(const TrajectoryPtr& trajectory) {
  StepAside(trajectory);
  side_->Post(trajectory->request.priority, [this, trajectory] {
    Trajectory& t = *trajectory;
    const bool last = t.stage_number + 1 == t.stages.size();
    const HandsScope hands(idle_cores_);
    t.events->OnSideWork(WorkAfterStage(t));
    try {
      if (last) {
        at::Tensor picture = FinishedPicture(t, options_.decode);
        return End(trajectory, [&](TrajectoryEvents& events) { events.OnPicture(std::move(picture)); });
      }
      BeginNextStage(t, options_.decode);
    } catch (...) {
      return Fail(trajectory, std::current_exception());
    }
    Arrive(trajectory);
  });
}

void Engine::OfferPreview(const TrajectoryPtr& trajectory) {
  Trajectory& t = *trajectory;
  if (t.request.preview_every < 1 || t.step() % t.request.preview_every != 0 || !t.state.denoised.defined())
    return;
  const PreviewSlot::Offered offered = t.preview.Offer({t.step(), t.state.denoised, &t.pipeline()});
  if (offered == PreviewSlot::Offered::kReplacedOlder || offered == PreviewSlot::Offered::kDropped) {
    meter_->OnPreviewDropped();
  }
  if (offered != PreviewSlot::Offered::kStartRendering) return;
  previews_->Post(t.request.priority, [trajectory] {
    const WrapScope wrapping(trajectory->request.tiling);
    while (const auto estimate = trajectory->preview.Take()) {
      try {
        const at::Tensor preview = estimate->pipeline->Preview(estimate->x0);
        if (preview.defined()) trajectory->events->OnPreview(estimate->step, ToBytes(preview));
      } catch (...) {
        // A preview that cannot be made (out of GPU memory, say) must not end the picture.
      }
    }
  });
}

void Engine::OfferCheckpoint(const TrajectoryPtr& trajectory) {
  Trajectory& t = *trajectory;
  if (t.at_risk < checkpoint_pace_.Interval(t.checkpoint_cost)) return;
  t.at_risk = 0;
  side_->Post(t.request.priority, [this, trajectory, step = t.step(), parts = CheckpointParts::Of(t)] {
    const Clock::time_point begin = Clock::now();
    std::string bytes;
    try {
      bytes = SerializeCheckpoint(parts, *trajectory);
    } catch (const std::exception& e) {
      // The picture can do without: whoever goes on with it takes an older one.
      return meter_->OnCheckpointFailed(e.what());
    }
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    trajectory->checkpoint_cost = CheckpointPace::Cost(seconds.count(), bytes.size());
    trajectory->events->OnCheckpoint(step, std::move(bytes));
  });
}

}  // namespace mind::diffusion
