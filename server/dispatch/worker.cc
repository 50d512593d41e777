#include "server/dispatch/worker.h"

#include <algorithm>
#include <cmath>

namespace mind::server {
namespace {

// No row takes longer than a day; what says so is no measurement.
constexpr double kLongestRow = 24 * 3600;

}  // namespace

Worker::Worker(const v1::Register& registration, const Moment& now)
    : registration_(registration), connected_(now.wall), last_heard_(now.steady) {
  for (const v1::Model& model : registration.models()) offers_.emplace(model.name(), Offer(model));
}

void Worker::SetCapacity(const v1::Capacity& capacity) {
  capacity_ = capacity;
  capacity_.set_max_images(std::min(capacity.max_images(), kMaxImages));
  ready_ = true;
  for (const v1::ModelSpeed& speed : capacity.speeds()) {
    const double seconds = speed.row_seconds();
    if (std::isfinite(seconds) && seconds > 0 && seconds <= kLongestRow)
      row_seconds_[speed.model()] = seconds;
  }
}

void Worker::NoteFailure(const std::string& model, int max_failures, absl::Duration cool_down,
                         const Moment& now) {
  Failures& failures = failures_[model];
  if (++failures.in_a_row >= max_failures) failures.trusted_again = now.steady + cool_down;
}

Worker::Picture* Worker::Find(const PictureKey& key) {
  const auto found = running_.find(key);
  return found == running_.end() ? nullptr : &found->second;
}

void Worker::Stop(const std::string& job, uint32_t attempt, const Moment& now) {
  for (auto it = running_.lower_bound({job, attempt, 0});
       it != running_.end() && it->first.job == job && it->first.attempt == attempt; ++it) {
    it->second.stopping = true;
    it->second.moved = now.steady;
  }
}

void Worker::Forgive(absl::Duration time, const Moment& now) {
  last_heard_ = std::min(last_heard_ + time, now.steady);
  for (auto& [key, picture] : running_) picture.moved = std::min(picture.moved + time, now.steady);
}

std::vector<Worker::Overdue> Worker::FindOverdue(const ProgressLimits& limits, const Moment& now) {
  // The engine's own word counts too: it tells a hang from pictures that only wait for each other.
  const absl::Duration step_age = absl::Milliseconds(capacity_.last_step_age_ms());
  std::vector<Overdue> overdue;
  for (auto& [key, picture] : running_) {
    const absl::Duration patience = Patience(picture, limits);
    if (!picture.stopping && HigherMoves(picture)) {
      picture.moved = now.steady;
      continue;
    }
    const bool engine_hangs = picture.started && step_age > patience;
    if (picture.hangs || (now.steady - picture.moved <= patience && !engine_hangs)) continue;
    const bool waits = !picture.started && !picture.stopping && OthersMove(key, patience, now);
    picture.hangs = !waits;
    overdue.push_back({key, waits});
  }
  return overdue;
}

absl::Duration Worker::Patience(const Picture& picture, const ProgressLimits& limits) const {
  const std::optional<double> row_seconds = RowSeconds(picture.model);
  if (!row_seconds) return std::max(limits.start, limits.stall);
  // All that run share the device.
  const double step = *row_seconds * picture.rows_per_step * static_cast<double>(running_.size());
  const absl::Duration begun = std::max(limits.stall, absl::Seconds(limits.stall_steps * step));
  return picture.started ? begun : std::max(begun, limits.start);
}

bool Worker::HigherMoves(const Picture& picture) const {
  return std::any_of(running_.begin(), running_.end(), [&](const auto& entry) {
    const Picture& other = entry.second;
    return other.priority > picture.priority && !other.stopping && !other.hangs;
  });
}

bool Worker::OthersMove(const PictureKey& key, absl::Duration limit, const Moment& now) const {
  return std::any_of(running_.begin(), running_.end(), [&](const auto& entry) {
    const Picture& other = entry.second;
    return entry.first.job != key.job && other.started && !other.stopping &&
           now.steady - other.moved <= limit;
  });
}

const Offer* Worker::OfferOf(const std::string& model) const {
  const auto found = offers_.find(model);
  return found == offers_.end() ? nullptr : &found->second;
}

bool Worker::HasLoaded(const std::string& model) const {
  const auto& loaded = capacity_.loaded_models();
  return std::find(loaded.begin(), loaded.end(), model) != loaded.end();
}

bool Worker::Trusted(const std::string& model, const Moment& now) const {
  const auto found = failures_.find(model);
  return found == failures_.end() || now.steady >= found->second.trusted_again;
}

absl::Duration Worker::TrustedAgain(const Moment& now) const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [model, failures] : failures_) {
    if (failures.trusted_again > now.steady) next = std::min(next, failures.trusted_again);
  }
  return next;
}

int64_t Worker::Occupied(int priority) const {
  return std::count_if(running_.begin(), running_.end(),
                       [priority](const auto& entry) { return entry.second.priority >= priority; });
}

bool Worker::RunsAlone() const {
  return std::any_of(running_.begin(), running_.end(), [](const auto& entry) { return entry.second.alone; });
}

std::optional<double> Worker::RowSeconds(const std::string& model) const {
  const auto found = row_seconds_.find(model);
  return found == row_seconds_.end() ? std::nullopt : std::optional(found->second);
}

bool Worker::stuck() const {
  return std::any_of(running_.begin(), running_.end(), [](const auto& entry) { return entry.second.hangs; });
}

v1::WorkerState Worker::state() const {
  if (draining_) return v1::WORKER_STATE_DRAINING;
  if (stuck()) return v1::WORKER_STATE_STUCK;
  const bool busy = running_.size() >= capacity_.max_images();
  return busy ? v1::WORKER_STATE_BUSY : v1::WORKER_STATE_READY;
}

}  // namespace mind::server
