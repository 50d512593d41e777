#include "server/dispatch/fleet.h"

#include <algorithm>

namespace mind::server {
namespace {

// A worker that would first have to load the model counts as this many pictures busier; one that keeps
// failing it comes after all others.
constexpr int64_t kLoadPenalty = 4;
constexpr int64_t kDistrustPenalty = 1'000'000;

bool CanRunOn(const Worker& worker, const ActiveJob& job) {
  const Offer& offer = *worker.OfferOf(job.model());
  return SameWeights(offer.revision(), job.revision()) && offer.Allows(job.job.spec());
}

}  // namespace

// --- Workers come, change and go.

std::vector<std::string> Fleet::Add(const v1::Register& registration, const Moment& now) {
  Worker& worker = workers_.try_emplace(registration.name(), registration, now).first->second;
  by_name_[registration.name()] = &worker;
  auto record = std::make_unique<Record>();
  record->number = ++came_;
  std::vector<std::string> news = TakeStands(worker, *record);
  records_[&worker] = std::move(record);
  Refresh(worker, now);
  return news;
}

std::vector<std::string> Fleet::Reoffer(Worker& worker,
                                        const google::protobuf::RepeatedPtrField<v1::Model>& models,
                                        const Moment& now) {
  Record& record = *records_.at(&worker);
  LeaveStands(worker, record);
  worker.SetModels(models);
  std::vector<std::string> news = TakeStands(worker, record);
  record.idle = false;  // if it is, there is room for models that were not there before
  Refresh(worker, now);
  return news;
}

std::vector<std::string> Fleet::TakeStands(const Worker& worker, Record& record) {
  std::vector<std::string> news;
  for (const v1::Model& model : worker.registration().models()) {
    bool added = false;
    ModelEntry& entry = models_[model.name()];
    known_models_.insert(model.name());
    const size_t group = GroupOf(entry, model, added);
    ++entry.groups[group].members;
    record.stands.push_back({.model = model.name(), .entry = &entry, .group = group});
    if (added) news.push_back(model.name());
  }
  return news;
}

void Fleet::LeaveStands(Worker& worker, Record& record) {
  for (Stand& stand : record.stands) {
    TakeSeats(worker, record, stand, false);
    SetTrusted(stand, false);
    --stand.entry->groups[stand.group].members;
  }
  SetAble(record, false);
  record.stands.clear();
}

size_t Fleet::GroupOf(ModelEntry& entry, const v1::Model& model, bool& added) {
  auto offer = std::make_unique<Offer>(model);
  std::vector<Group>& groups = entry.groups;
  for (size_t bit = 0; bit < groups.size(); ++bit) {
    if (groups[bit].offer != nullptr && groups[bit].offer->key() == offer->key()) return bit;
  }
  added = true;
  if (groups.size() + 1 < kMaxGroups) {
    groups.emplace_back().offer = std::move(offer);
    return groups.size() - 1;
  }
  for (size_t bit = 0; bit + 1 < kMaxGroups; ++bit) {
    if (groups[bit].members > 0) continue;
    groups[bit].offer = std::move(offer);
    return bit;
  }
  added = groups.size() < kMaxGroups;
  groups.resize(kMaxGroups);
  return kMaxGroups - 1;
}

void Fleet::Remove(const std::string& name) {
  const auto found = workers_.find(name);
  Worker& worker = found->second;
  Record& record = *records_.at(&worker);
  LeaveStands(worker, record);
  if (record.counted != nullptr) --(census_.*record.counted);
  std::erase_if(reservations_, [&](const auto& reservation) { return reservation.second == name; });
  records_.erase(&worker);
  by_name_.erase(name);
  workers_.erase(found);
}

Worker* Fleet::Find(const std::string& name) {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

const Worker* Fleet::Find(const std::string& name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
}

void Fleet::Refresh(Worker& worker, const Moment& now) {
  Record& record = *records_.at(&worker);
  if (record.reserved && !worker.usable()) {
    record.reserved = false;
    std::erase_if(reservations_,
                  [&](const auto& reservation) { return reservation.second == worker.name(); });
  }
  const bool reload = record.loads != worker.loads();
  const bool idle = worker.usable() && worker.running().empty();
  const bool open = worker.usable() && !worker.RunsAlone() && !record.reserved;
  SetAble(record, !worker.draining() && !worker.stuck());
  for (Stand& stand : record.stands) {
    if (reload) stand.loaded = worker.HasLoaded(stand.model);
    SetTrusted(stand, record.able && worker.Trusted(stand.model, now));
    if (idle && !record.idle) opened_.insert(stand.model);
    TakeSeats(worker, record, stand, open);
  }
  record.loads = worker.loads();
  record.idle = idle;
  Count(worker, record);
}

void Fleet::SetAble(Record& record, bool able) {
  if (record.able == able) return;
  record.able = able;
  const int64_t by = able ? 1 : -1;
  for (Stand& stand : record.stands) {
    stand.entry->able += by;
    stand.entry->groups[stand.group].able += by;
    for (const Stand& other : record.stands) stand.entry->shared[other.model] += by;
  }
}

void Fleet::SetTrusted(Stand& stand, bool trusted) {
  if (stand.trusted == trusted) return;
  stand.trusted = trusted;
  stand.entry->groups[stand.group].trusted += trusted ? 1 : -1;
  opened_.insert(stand.model);  // who may be chosen depends on who is trusted
}

void Fleet::TakeSeats(Worker& worker, const Record& record, Stand& stand, bool open) {
  const int64_t load = static_cast<int64_t>(worker.running().size()) + (stand.loaded ? 0 : kLoadPenalty) +
                       (stand.trusted ? 0 : kDistrustPenalty);
  auto& seats = stand.entry->groups[stand.group].open;
  const Seat seat{load, record.number, &worker};
  for (size_t place = 0; place < kPriorities; ++place) {
    const int priority = static_cast<int>(place);
    const bool seated[kRooms] = {open && worker.Room(priority) > 0, open && worker.RoomBeyond(priority) > 0};
    for (const Room room : {kForAll, kForNewTenants}) {
      TakeSeat(seats[room][place], stand.seated[room][place], seated[room], stand, seat);
    }
  }
  stand.load = load;
}

void Fleet::TakeSeat(std::set<Seat>& seats, bool& was_seated, bool seated, const Stand& stand,
                     const Seat& seat) {
  const Seat before{stand.load, seat.number, seat.worker};
  if (was_seated && seated && seat.load != stand.load) {
    auto moved = seats.extract(before);
    moved.value().load = seat.load;
    seats.insert(std::move(moved));
  } else if (was_seated && !seated) {
    seats.erase(before);
  } else if (!was_seated && seated) {
    seats.insert(seat);
    opened_.insert(stand.model);
  }
  was_seated = seated;
}

void Fleet::Count(const Worker& worker, Record& record) {
  int64_t Census::*state = &Census::starting;
  if (worker.ready()) {
    switch (worker.state()) {
      case v1::WORKER_STATE_DRAINING:
        state = &Census::draining;
        break;
      case v1::WORKER_STATE_STUCK:
        state = &Census::stuck;
        break;
      case v1::WORKER_STATE_BUSY:
        state = &Census::busy;
        break;
      default:
        state = &Census::ready;
    }
  }
  if (record.counted != nullptr) --(census_.*record.counted);
  record.counted = state;
  ++(census_.*state);
}

void Fleet::Reserve(Worker& worker, const std::string& job, const Moment& now) {
  records_.at(&worker)->reserved = true;
  reservations_[job] = worker.name();
  Refresh(worker, now);
}

void Fleet::EndReservation(const std::string& job, const Moment& now) {
  const auto found = reservations_.find(job);
  if (found == reservations_.end()) return;
  Worker& worker = workers_.at(found->second);
  reservations_.erase(found);
  records_.at(&worker)->reserved = false;
  Refresh(worker, now);
}

// --- Placement.

const Fleet::ModelEntry* Fleet::FindModel(const std::string& model) const {
  const auto found = models_.find(model);
  return found == models_.end() ? nullptr : &found->second;
}

uint64_t Fleet::OffersFor(const ActiveJob& job) const {
  const ModelEntry* const entry = FindModel(job.model());
  uint64_t offers = 0;
  if (entry == nullptr) return offers;
  for (size_t bit = 0; bit < entry->groups.size(); ++bit) {
    const Offer* const offer = entry->groups[bit].offer.get();
    const bool allowed =
        offer == nullptr || (SameWeights(offer->revision(), job.revision()) && offer->Allows(job.job.spec()));
    if (allowed) offers |= uint64_t{1} << bit;
  }
  return offers;
}

uint64_t Fleet::Open(const std::string& model, int priority, Room room) const {
  const ModelEntry* const entry = FindModel(model);
  uint64_t open = 0;
  if (entry == nullptr) return open;
  for (size_t bit = 0; bit < entry->groups.size(); ++bit) {
    if (!entry->groups[bit].open[room][PlaceOf(priority)].empty()) open |= uint64_t{1} << bit;
  }
  return open;
}

template <typename Visit>
void Fleet::VisitSeats(const ActiveJob& job, Room room, Visit visit) const {
  const ModelEntry* const entry = FindModel(job.model());
  if (entry == nullptr) return;
  const bool some_trusted = CountFor(job, &Group::trusted, true) > 0;
  for (size_t bit = 0; bit < entry->groups.size(); ++bit) {
    if ((job.offers & uint64_t{1} << bit) == 0) continue;
    const Group& group = entry->groups[bit];
    for (const Seat& seat : group.open[room][PlaceOf(job.job.priority())]) {
      if (some_trusted && seat.load >= kDistrustPenalty) break;  // one of those will have room
      if (job.HasFailedOn(seat.worker->name())) continue;
      if (group.offer == nullptr && !CanRunOn(*seat.worker, job)) continue;
      if (visit(seat)) break;
    }
  }
}

Worker* Fleet::Choose(const ActiveJob& job, Room room) const {
  Seat best;
  Seat last;  // resort
  VisitSeats(job, room, [&](const Seat& seat) {
    if (seat.worker->name() == job.avoid()) {
      last = seat;
      return false;
    }
    if (best.worker == nullptr || seat < best) best = seat;
    return true;
  });
  return best.worker != nullptr ? best.worker : last.worker;
}

Worker* Fleet::ChooseIdle(const ActiveJob& job) const {
  Seat best;
  VisitSeats(job, kForAll, [&](const Seat& seat) {
    if (!seat.worker->running().empty()) return false;
    if (best.worker == nullptr || seat < best) best = seat;
    return true;
  });
  return best.worker;
}

bool Fleet::Fits(const Worker& worker, const ActiveJob& job) const {
  return worker.usable() && !worker.RunsAlone() && worker.Room(job.job.priority()) > 0 &&
         worker.OfferOf(job.model()) != nullptr && !job.HasFailedOn(worker.name()) && CanRunOn(worker, job);
}

int64_t Fleet::CountFor(const ActiveJob& job, int64_t Group::*count, bool trusted_only) const {
  const ModelEntry* const entry = FindModel(job.model());
  if (entry == nullptr) return 0;
  int64_t total = 0;
  for (size_t bit = 0; bit < entry->groups.size(); ++bit) {
    if ((job.offers & uint64_t{1} << bit) != 0) total += entry->groups[bit].*count;
  }
  for (const std::string& name : job.failed_on()) {
    const auto worker = workers_.find(name);
    if (worker == workers_.end()) continue;
    const Record& record = *records_.at(&worker->second);
    for (const Stand& stand : record.stands) {
      if (stand.model != job.model() || (job.offers & uint64_t{1} << stand.group) == 0) continue;
      total -= (trusted_only ? stand.trusted : record.able) ? 1 : 0;
    }
  }
  return total;
}

int64_t Fleet::Able(const ActiveJob& job) const {
  return CountFor(job, &Group::able, false);
}

int64_t Fleet::Able(const std::string& model) const {
  const ModelEntry* const entry = FindModel(model);
  return entry == nullptr ? 0 : entry->able;
}

double Fleet::Share(const std::string& model, const std::string& other) const {
  const ModelEntry* const entry = FindModel(model);
  if (entry == nullptr || entry->able == 0) return 0;
  const auto shared = entry->shared.find(other);
  return shared == entry->shared.end()
             ? 0
             : static_cast<double>(shared->second) / static_cast<double>(entry->able);
}

}  // namespace mind::server
