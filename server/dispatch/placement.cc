// Where pictures go.
#include <algorithm>
#include <map>
#include <tuple>

#include "server/dispatch/dispatcher.h"

namespace mind::server {
namespace {

// What an assignment may hold: messages to workers end at 64 MiB.
constexpr size_t kMaxAssignBytes = 60 << 20;

// What is left of that for checkpoints.
size_t RoomBeside(const v1::ImageSpec& spec) {
  constexpr size_t kOther = 1024;
  return kMaxAssignBytes - std::min(kMaxAssignBytes, spec.ByteSizeLong() + kOther);
}

}  // namespace

// What is given out together: the pictures of a job that go to one worker in a round are one attempt.
struct Dispatcher::Round {
  struct Sending {
    const ActiveJob* job = nullptr;
    Worker* worker = nullptr;
    uint32_t attempt = 0;
    std::vector<uint32_t> images;
  };

  const Moment& now;
  std::vector<Sending> sendings;  // in the order in which they were begun
  std::map<std::pair<const ActiveJob*, const Worker*>, size_t> places;
  // By model, priority and room: the last job that found none although its offers seemed to have some. Room
  // only shrinks in a round: the search goes on behind it.
  std::map<std::tuple<std::string, int, Fleet::Room>, const JobQueue::Waiting*> passed;
  const JobQueue::Waiting* Passed(const std::string& model, int priority, Fleet::Room room) const {
    if (passed.empty()) return nullptr;
    const auto found = passed.find({model, priority, room});
    return found == passed.end() ? nullptr : found->second;
  }
  // Little is passed, such as jobs that all open workers have failed.
  void LookAgain(const std::string& model) {
    passed.erase(passed.lower_bound({model, v1::Priority_MIN, Fleet::kForAll}),
                 passed.upper_bound({model, v1::Priority_MAX, Fleet::kForNewTenants}));
  }
};

// What is next, and to which room it would go.
struct Dispatcher::Candidate {
  const JobQueue::Waiting* waiting = nullptr;
  Fleet::Room room = Fleet::kForAll;
};

void Dispatcher::Settle(const Moment& now, Actions& actions) {
  if (!hopes_.empty()) EndHopeless(now, actions);
  if (!placing_) return;
  changed_.merge(fleet_.TakeOpened());
  if (!changed_.empty()) Place(now, actions);
}

void Dispatcher::EndHopeless(const Moment& now, Actions& actions) {
  for (const std::string& model : std::exchange(hopes_, {})) {
    const auto failed = failed_.find(model);
    // A job is failed by fewer workers than max_failures before it ends: with more there, there is hope.
    if (failed == failed_.end() || fleet_.Able(model) >= options_.max_failures) continue;
    const std::set<std::string> ids = failed->second;
    for (const std::string& id : ids) {
      const ActiveJob& job = *jobs_.Find(id);
      if (!queue_.Contains(id) || fleet_.Able(job) > 0) continue;
      End(id, v1::JOB_STATE_FAILED, absl::Status(job.last_failure()), now, actions);
    }
  }
}

void Dispatcher::Place(const Moment& now, Actions& actions) {
  queue_.Advance(now.wall);
  Round round{.now = now};
  const std::map<std::string, std::string> reservations = fleet_.reservations();
  for (const auto& [id, worker] : reservations) PlaceAlone(*jobs_.Find(id), round);
  changed_.merge(fleet_.TakeOpened());  // by reservations that have ended
  for (Candidate next; (next = NextInOrder(round)).waiting != nullptr;) {
    ActiveJob& job = *jobs_.Find(next.waiting->id());
    if (!PlaceOne(job, next.room, round)) {
      round.passed[{job.model(), job.job.priority(), next.room}] = next.waiting;
    }
    // The next in its place, which may go before what has been passed.
    for (const std::string& model : ReleaseHeld(job.job.tenant())) round.LookAgain(model);
  }
  changed_.clear();
  Send(round, actions);
}

Dispatcher::Candidate Dispatcher::NextInOrder(const Round& round) {
  for (Candidate next; (next = FirstInOrder(round)).waiting != nullptr;) {
    if (tenants_.Has(next.waiting->tenant())) return next;
    queue_.Hold(next.waiting->id());
  }
  return {};
}

Dispatcher::Candidate Dispatcher::FirstInOrder(const Round& round) const {
  Candidate first;
  for (int priority = v1::Priority_MAX; first.waiting == nullptr && priority >= v1::Priority_MIN;
       --priority) {
    if (queue_.Waits(priority) == 0) continue;
    for (const std::string& model : changed_) {
      for (const Fleet::Room room : {Fleet::kForAll, Fleet::kForNewTenants}) {
        const JobQueue::Waiting* const next = FirstFor(model, priority, room, round);
        if (next == nullptr) continue;
        if (first.waiting == nullptr || next->GoesBefore(*first.waiting)) first = {next, room};
      }
    }
  }
  return first;
}

const JobQueue::Waiting* Dispatcher::FirstFor(const std::string& model, int priority, Fleet::Room room,
                                              const Round& round) const {
  const uint64_t open = fleet_.Open(model, priority, room);
  if (open == 0) return nullptr;
  const JobQueue::Waiting* const passed = round.Passed(model, priority, room);
  const JobQueue::Waiting* const next =
      passed == nullptr ? queue_.First(model, priority, open) : JobQueue::Next(*passed, open);
  // Nobody goes before others for having nothing: that would be more than its share.
  return room == Fleet::kForAll || next == nullptr || IsOfNewTenant(*next) ? next : nullptr;
}

bool Dispatcher::IsOfNewTenant(const JobQueue::Waiting& waiting) const {
  return tenants_.Running(waiting.tenant()) == 0 && !MustRunAlone(*jobs_.Find(waiting.id()));
}

bool Dispatcher::PlaceOne(ActiveJob& job, Fleet::Room room, Round& round) {
  if (MustRunAlone(job)) return PlaceAlone(job, round);
  Worker* const worker = fleet_.Choose(job, room);
  if (worker == nullptr) return false;
  Give(job, *worker, round);
  return true;
}

bool Dispatcher::PlaceAlone(ActiveJob& job, Round& round) {
  if (job.running()) return false;
  if (!tenants_.Has(job.job.tenant())) {
    fleet_.EndReservation(job.id(), round.now);  // no worker stands idle for it
    return false;
  }
  const auto reservation = fleet_.reservations().find(job.id());
  Worker* worker = nullptr;
  if (reservation != fleet_.reservations().end()) {
    worker = fleet_.Find(reservation->second);
    if (!worker->running().empty()) return false;
    fleet_.EndReservation(job.id(), round.now);
    if (!fleet_.Fits(*worker, job)) return false;
  } else {
    worker = fleet_.ChooseIdle(job);
  }
  if (worker == nullptr) {
    // None is idle, and with others always waiting none may ever be. One at a time is kept free, or a few
    // such jobs would stop all work.
    if (fleet_.reservations().empty()) {
      if (Worker* const kept = fleet_.Choose(job)) fleet_.Reserve(*kept, job.id(), round.now);
    }
    return false;
  }
  const int priority = job.job.priority();
  while (queue_.Contains(job.id()) && worker->Room(priority) > 0 && tenants_.Has(job.job.tenant())) {
    Give(job, *worker, round);
  }
  return true;
}

void Dispatcher::Give(ActiveJob& job, Worker& worker, Round& round) {
  const auto [place, added] = round.places.try_emplace({&job, &worker}, round.sendings.size());
  if (added) {
    const std::string& revision = worker.OfferOf(job.model())->revision();
    round.sendings.push_back({.job = &job,
                              .worker = &worker,
                              .attempt = job.BeginAttempt(worker.name(), revision, round.now.wall),
                              .images = {}});
  }
  Round::Sending& sending = round.sendings[place->second];
  const uint32_t image = job.NextWaiting();
  const bool fresh = !job.images()[image].begun;
  // What does not fit beside the request begins anew.
  if (job.images()[image].checkpoint != nullptr &&
      job.images()[image].checkpoint->size() > RoomBeside(job.job.spec())) {
    job.DropCheckpoint(image);
  }
  const Work left = job.WorkAfter(job.images()[image].checkpoint_step);
  job.Give(image, sending.attempt);
  sending.images.push_back(image);
  CountRunning(job);
  if (fresh) queue_.Take(job.id());
  if (!fresh || added) Requeue(job, round.now);  // with its weights chosen, fewer may do for the rest
  worker.Add({job.id(), sending.attempt, image}, {.priority = job.job.priority(),
                                                  .model = job.model(),
                                                  .tenant = job.job.tenant(),
                                                  .revision = worker.OfferOf(job.model())->revision(),
                                                  .rows_per_step = job.RowsPerStep(),
                                                  .alone = MustRunAlone(job),
                                                  .moved = round.now.steady,
                                                  .left = left});
  running_.Add(job.model(), job.job.priority(), left);
  tenants_.Begin(job.job.tenant());
  overdue_.SetAtLatest(worker.name(), round.now.steady + options_.progress.stall);
  fleet_.Refresh(worker, round.now);
}

void Dispatcher::Send(const Round& round, Actions& actions) const {
  for (const Round::Sending& sending : round.sendings) {
    const ActiveJob& job = *sending.job;
    SendAssign empty{.worker = sending.worker->name(), .assign = {}};
    empty.assign.set_job_id(job.id());
    empty.assign.set_attempt(sending.attempt);
    *empty.assign.mutable_spec() = job.job.spec();
    empty.assign.set_priority(job.job.priority());
    empty.assign.set_tenant(job.job.tenant());
    empty.assign.set_tenant_weight(options_.weight_of(job.job.tenant()));
    empty.assign.set_revision(sending.worker->OfferOf(job.model())->revision());
    const size_t room = RoomBeside(job.job.spec());
    SendAssign send = empty;
    size_t bytes = 0;
    for (const uint32_t index : sending.images) {
      const std::shared_ptr<const std::string>& checkpoint = job.images()[index].checkpoint;
      const size_t size = checkpoint == nullptr ? 0 : checkpoint->size();
      if (bytes > 0 && bytes + size > room) {  // the rest comes after
        actions.push_back(std::move(send));
        send = empty;
        bytes = 0;
      }
      bytes += size;
      v1::AssignedImage* const assigned = send.assign.add_images();
      assigned->set_image_index(index);
      if (checkpoint != nullptr) assigned->set_checkpoint(*checkpoint);
    }
    actions.push_back(std::move(send));
  }
}

}  // namespace mind::server
