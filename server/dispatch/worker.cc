#include "server/dispatch/worker.h"

#include <algorithm>
#include <cmath>
#include <iterator>

namespace mind::server {
namespace {

// No row takes less than a microsecond or longer than an hour: what says so is taken for that, so that no
// worker's word makes work free, or the mean of all speeds its own.
constexpr double kShortestRow = 1e-6;
constexpr double kLongestRow = 3600;

// What is only shown: no number that JSON has no word for.
double Believable(double said) {
  return std::isfinite(said) && said > 0 ? said : 0;
}

}  // namespace

Worker::Worker(const v1::Register& registration, const Moment& now)
    : registration_(registration), connected_(now.wall), last_heard_(now.steady) {
  for (const v1::Model& model : registration.models()) offers_.emplace(model.name(), Offer(model));
}

void Worker::SetModels(const google::protobuf::RepeatedPtrField<v1::Model>& models) {
  std::map<std::string, Offer> offers;
  for (const v1::Model& model : models) offers.emplace(model.name(), Offer(model));
  for (const auto& [name, before] : offers_) {
    const auto now = offers.find(name);
    if (now != offers.end() && SameWeights(now->second.revision(), before.revision())) continue;
    failures_.erase(name);
    row_seconds_.erase(name);
  }
  offers_.swap(offers);
  *registration_.mutable_models() = models;
  std::vector<std::string> loaded;
  for (const std::string& name : capacity_.loaded_models()) {
    if (offers_.count(name) != 0) loaded.push_back(name);
  }
  capacity_.mutable_loaded_models()->Assign(loaded.begin(), loaded.end());
  ++loads_;
}

void Worker::SetCapacity(const v1::Capacity& capacity) {
  // What it does not offer it has no word on.
  const auto is_offered = [this](const std::string& model) { return offers_.count(model) != 0; };
  const auto& loaded = capacity_.loaded_models();
  std::vector<std::string> now;
  std::copy_if(capacity.loaded_models().begin(), capacity.loaded_models().end(), std::back_inserter(now),
               is_offered);
  if (!std::equal(loaded.begin(), loaded.end(), now.begin(), now.end())) ++loads_;
  capacity_ = capacity;
  capacity_.mutable_loaded_models()->Assign(now.begin(), now.end());
  capacity_.set_max_images(std::min(capacity.max_images(), kMaxImages));
  capacity_.set_steps_per_second(Believable(capacity.steps_per_second()));
  capacity_.set_batch_rows(Believable(capacity.batch_rows()));
  ready_ = true;
  for (const v1::ModelSpeed& speed : capacity.speeds()) {
    const double seconds = speed.row_seconds();
    if (!std::isfinite(seconds) || seconds <= 0 || !is_offered(speed.model())) continue;
    row_seconds_[speed.model()] = std::clamp(seconds, kShortestRow, kLongestRow);
  }
}

void Worker::NoteFailure(const std::string& model, int max_failures, absl::Duration cool_down,
                         const Moment& now) {
  Failures& failures = failures_[model];
  if (++failures.in_a_row >= max_failures) failures.trusted_again = now.steady + cool_down;
}

void Worker::Count(const Picture& picture, int by) {
  by_priority_[PlaceOf(picture.priority)] += by;
  alone_ += picture.alone ? by : 0;
  hanging_ += picture.hangs ? by : 0;
}

void Worker::Add(const PictureKey& key, Picture picture) {
  Count(picture, 1);
  left_ += picture.left;
  running_.emplace(key, std::move(picture));
}

bool Worker::Remove(const PictureKey& key, const Moment& now) {
  const auto found = running_.find(key);
  if (found == running_.end()) return false;
  const int priority = found->second.priority;
  const bool moved = !found->second.stopping && !found->second.hangs;
  Count(found->second, -1);
  left_ -= found->second.left;
  running_.erase(found);
  if (moved) NoteBlocked(priority, now);
  if (running_.empty()) left_ = Work();  // no rounding is carried along
  return true;
}

const Worker::Picture* Worker::Find(const PictureKey& key) const {
  const auto found = running_.find(key);
  return found == running_.end() ? nullptr : &found->second;
}

void Worker::NoteMoved(const PictureKey& key, const Work& left, const Moment& now) {
  Picture& picture = running_.at(key);
  picture.started = true;
  picture.moved = now.steady;
  SetLeft(picture, left);
}

void Worker::NoteStopping(const PictureKey& key, const Moment& now) {
  Picture& picture = running_.at(key);
  SetLeft(picture, Work());
  picture.stopping = true;
  picture.moved = now.steady;
  NoteBlocked(picture.priority, now);
}

void Worker::SetLeft(Picture& picture, const Work& left) {
  left_ -= picture.left;
  left_ += left;
  picture.left = left;
}

void Worker::NoteBlocked(int priority, const Moment& now) {
  if (Occupied(0) == Occupied(priority)) return;  // the usual: there are none below
  if (HighestMoving() >= priority) return;        // they still are not
  for (auto& [key, picture] : running_) {
    if (picture.priority < priority && !picture.stopping) picture.moved = now.steady;
  }
}

int Worker::HighestMoving() const {
  int highest = -1;
  for (const auto& [key, picture] : running_) {
    if (!picture.stopping && !picture.hangs) highest = std::max(highest, picture.priority);
  }
  return highest;
}

std::vector<Worker::Overdue> Worker::FindOverdue(const ProgressLimits& limits, const Moment& now) {
  const int highest = HighestMoving();
  for (auto& [key, picture] : running_) {
    if (!picture.stopping && picture.priority < highest) picture.moved = now.steady;
  }
  std::vector<Overdue> overdue;
  for (auto& [key, picture] : running_) {
    if (!picture.stopping && picture.priority < highest) continue;
    const absl::Duration patience = Patience(picture, limits);
    // The engine's own word counts too: it tells a hang from pictures that only wait for each other.
    const bool engine_hangs = picture.started && EngineHangs(patience);
    if (picture.hangs || (now.steady - picture.moved <= patience && !engine_hangs)) continue;
    const bool waits = !picture.started && !picture.stopping && OthersMove(key, patience, now);
    picture.hangs = !waits;
    hanging_ += waits ? 0 : 1;
    overdue.push_back({key, waits});
  }
  return overdue;
}

absl::Duration Worker::NextOverdue(const ProgressLimits& limits, const Moment& now) const {
  absl::Duration next = now.steady + std::max(limits.stall, absl::Seconds(1));
  for (const auto& [key, picture] : running_) {
    if (!picture.hangs) next = std::min(next, picture.moved + Patience(picture, limits));
  }
  return next;
}

absl::Duration Worker::Patience(const Picture& picture, const ProgressLimits& limits) const {
  const std::optional<double> row_seconds = RowSeconds(picture.model);
  if (!row_seconds) return std::max(limits.start, limits.stall);
  // All that run share the device.
  const double step = *row_seconds * picture.rows_per_step * static_cast<double>(running_.size());
  const absl::Duration begun = std::max(limits.stall, absl::Seconds(limits.stall_steps * step));
  return picture.started ? begun : std::max(begun, limits.start);
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

absl::Duration Worker::TrustedAgain(const std::string& model) const {
  const auto found = failures_.find(model);
  return found == failures_.end() ? -absl::InfiniteDuration() : found->second.trusted_again;
}

int64_t Worker::Occupied(int priority) const {
  int64_t occupied = 0;
  for (size_t place = PlaceOf(priority); place < kPriorities; ++place) occupied += by_priority_[place];
  return occupied;
}

int64_t Worker::RoomBeyond(int priority) const {
  const int64_t room = Room(priority);
  const bool would_move = Occupied(priority) == by_priority_[PlaceOf(priority)];  // nothing goes before it
  return room > 0 || !would_move ? 0 : room + int64_t{capacity_.max_images()} / 4;
}

std::optional<double> Worker::RowSeconds(const std::string& model) const {
  const auto found = row_seconds_.find(model);
  return found == row_seconds_.end() ? std::nullopt : std::optional(found->second);
}

v1::WorkerState Worker::state() const {
  if (draining_) return v1::WORKER_STATE_DRAINING;
  if (stuck()) return v1::WORKER_STATE_STUCK;
  const bool busy = running_.size() >= capacity_.max_images();
  return busy ? v1::WORKER_STATE_BUSY : v1::WORKER_STATE_READY;
}

}  // namespace mind::server
