// Where jobs go.
#include <algorithm>
#include <tuple>

#include "proto/support/errors.h"
#include "server/dispatch/dispatcher.h"

namespace mind::server {
namespace {

// A worker that would first have to load the model counts as this many pictures busier; one on which the job
// has waited in vain comes after all others.
constexpr int64_t kLoadPenalty = 4;
constexpr int64_t kAvoidPenalty = 1'000'000;

// What an assignment may hold: messages to workers end at 64 MiB.
constexpr size_t kMaxAssignBytes = 60 << 20;

}  // namespace

void Dispatcher::Settle(const Moment& now, Actions& actions) {
  if (!unsettled_) return;
  EndHopeless(now, actions);
  if (!placing_) return;
  unsettled_ = false;
  Place(now, actions);
}

void Dispatcher::EndHopeless(const Moment& now, Actions& actions) {
  const std::set<std::string> waiting = failed_once_;
  for (const std::string& id : waiting) {
    const ActiveJob& job = jobs_.at(id);
    const bool hope = std::any_of(workers_.begin(), workers_.end(),
                                  [&](const auto& entry) { return MayTake(entry.second, job); });
    if (!hope) End(id, v1::JOB_STATE_FAILED, absl::Status(job.last_failure()), now, actions);
  }
}

void Dispatcher::Place(const Moment& now, Actions& actions) {
  std::erase_if(reservations_, [this](const auto& reservation) {
    const auto worker = workers_.find(reservation.second);
    return worker == workers_.end() || !worker->second.usable();
  });
  if (queue_.size() == 0) return;
  const bool room = std::any_of(workers_.begin(), workers_.end(), [this](const auto& entry) {
    return entry.second.usable() && entry.second.Room(queue_.highest_priority()) > 0;
  });
  if (!room) return;

  std::vector<std::string> order;
  for (const QueuedJob* const job : queue_.InOrder(now.wall)) order.push_back(job->id);
  PlacementRound round{.now = now};
  for (const std::string& id : order) {
    ActiveJob& job = jobs_.at(id);
    if (Worker* const worker = ChooseWorker(job, round)) {
      Assign(job, *worker, now, actions);
      NotePassedOver(*worker, round);
    } else {
      round.passed.push_back(&job);
      const auto reservation = reservations_.find(id);
      if (reservation != reservations_.end()) round.kept_free.insert(reservation->second);
    }
  }
}

Worker* Dispatcher::ChooseWorker(const ActiveJob& job, PlacementRound& round) {
  const std::tuple kind(job.model(), static_cast<int>(job.job.priority()), job.images_left(),
                        MustRunAlone(job));
  if (round.full.count(kind) != 0) return nullptr;
  std::vector<Worker*> open;
  for (auto& [name, worker] : workers_) {
    if (worker.usable() && worker.OfferOf(job.model()) != nullptr && round.kept_free.count(name) == 0 &&
        FitsOn(worker, job)) {
      open.push_back(&worker);
    }
  }
  if (open.empty()) {
    round.full.insert(kind);
    return nullptr;
  }
  // One that is not trusted is better than none, but waiting for a trusted one is better still.
  const bool some_trusted = std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
    return MayTake(entry.second, job) && entry.second.Trusted(job.model(), round.now);
  });
  Worker* best = nullptr;
  int64_t best_load = 0;
  for (Worker* const worker : open) {
    if (!CanRunOn(*worker, job) || (some_trusted && !worker->Trusted(job.model(), round.now))) continue;
    const int64_t load = static_cast<int64_t>(worker->running().size()) +
                         (worker->HasLoaded(job.model()) ? 0 : kLoadPenalty) +
                         (job.avoid == worker->name() ? kAvoidPenalty : 0);
    if (best != nullptr && load >= best_load) continue;
    best = worker;
    best_load = load;
  }
  return best;
}

bool Dispatcher::CanRunOn(const Worker& worker, const ActiveJob& job) {
  const Offer* const offer = worker.OfferOf(job.model());
  return offer != nullptr && !job.HasFailedOn(worker.name()) && offer->Allows(job.job.spec());
}

bool Dispatcher::MayTake(const Worker& worker, const ActiveJob& job) {
  return !worker.draining() && !worker.stuck() && CanRunOn(worker, job);
}

bool Dispatcher::FitsOn(const Worker& worker, const ActiveJob& job) const {
  if (worker.RunsAlone()) return false;
  const int priority = job.job.priority();
  const int64_t room = worker.Room(priority);
  if (MustRunAlone(job)) return room > 0 && worker.running().empty();
  // A job larger than the whole worker runs where nothing else of its class does.
  return room >= job.images_left() || (room > 0 && worker.Occupied(priority) == 0);
}

void Dispatcher::NotePassedOver(const Worker& by, PlacementRound& round) {
  for (ActiveJob* const job : round.passed) {
    if (!CanRunOn(by, *job) || ++job->passed_over < options_.max_passed_over) continue;
    Reserve(*job, round);
  }
}

void Dispatcher::Reserve(const ActiveJob& job, PlacementRound& round) {
  const Worker* nearest = nullptr;
  int64_t fewest = 0;
  for (const auto& [name, worker] : workers_) {
    if (!worker.usable() || !CanRunOn(worker, job)) continue;
    for (const auto& [other, reserved] : reservations_) {
      if (reserved == name) return;  // one at a time is kept free, or none would do any work
    }
    const int64_t occupied = MustRunAlone(job) ? static_cast<int64_t>(worker.running().size())
                                               : worker.Occupied(job.job.priority());
    if (nearest != nullptr && occupied >= fewest) continue;
    nearest = &worker;
    fewest = occupied;
  }
  if (nearest == nullptr) return;
  reservations_[job.id()] = nearest->name();
  round.kept_free.insert(nearest->name());
}

void Dispatcher::Assign(ActiveJob& active, Worker& worker, const Moment& now, Actions& actions) {
  queue_.Take(active.id());
  failed_once_.erase(active.id());
  reservations_.erase(active.id());
  active.BeginAttempt(worker.name(), worker.OfferOf(active.model())->revision(), now.wall);
  const v1::Job& job = active.job;
  SendAssign empty{.worker = worker.name()};
  empty.assign.set_job_id(job.id());
  empty.assign.set_attempt(job.attempt());
  *empty.assign.mutable_spec() = job.spec();
  empty.assign.set_priority(job.priority());
  const size_t room = kMaxAssignBytes - std::min(kMaxAssignBytes, empty.assign.ByteSizeLong());
  SendAssign send = empty;
  size_t bytes = 0;
  for (const uint32_t index : active.outstanding) {
    // What does not fit beside the request begins anew; what does not fit beside the others comes after them.
    if (active.images()[index].checkpoint.size() > room) active.DropCheckpoint(index);
    const std::string& checkpoint = active.images()[index].checkpoint;
    if (bytes > 0 && bytes + checkpoint.size() > room) {
      actions.push_back(std::move(send));
      send = empty;
      bytes = 0;
    }
    bytes += checkpoint.size();
    v1::AssignedImage* const assigned = send.assign.add_images();
    assigned->set_image_index(index);
    assigned->set_checkpoint(checkpoint);
    worker.Add({job.id(), job.attempt(), index}, {.priority = job.priority(),
                                                  .model = active.model(),
                                                  .rows_per_step = active.RowsPerStep(),
                                                  .alone = MustRunAlone(active),
                                                  .moved = now.steady});
  }
  actions.push_back(std::move(send));
}

}  // namespace mind::server
