#include "server/queue/job_queue.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace mind::server {
namespace {

// A job is urgent when what is left until its deadline is less than this many times its own cost plus a
// second: the estimate may be off, and a worker may be busy for a moment.
constexpr double kSlackFactor = 2;
constexpr absl::Duration kSlackFloor = absl::Seconds(1);

// Prices tremble with every report. Only one that has risen by more makes the times anew at which slack ends;
// one that has fallen is noticed when such a time comes.
constexpr double kNotableRise = 1.25;

enum Rank { kReturned, kUrgent, kInTurn };

}  // namespace

JobQueue::JobQueue(const Price& default_price)
    : default_price_(default_price), turns_([this](FairTurns::Claim& claim) {
        Waiting& waiting = static_cast<Waiting&>(claim);
        Exit(waiting);
        Enter(waiting);
      }) {}

// --- Jobs.

void JobQueue::Push(const QueuedJob& job) {
  Waiting& waiting = Add(job);
  waiting.portions = job.pictures;
  waiting.cost = waiting.model_->price.Of(job.picture) / job.weight;
  turns_.Join(waiting, job.tenant);
  Enter(waiting);
  WatchSlack(waiting);
}

void JobQueue::SetReturned(const QueuedJob& job, const Returned& returned) {
  Waiting* const found = entries_.Find(job.id);
  if (found == nullptr && returned.pictures == 0) return;
  const bool added = found == nullptr;
  Waiting& waiting = added ? Add(job) : *found;
  if (waiting.held_) LetGo(waiting);  // what is given back goes before all of its kind
  const uint64_t arrival = waiting.returned() ? waiting.returned_->arrival : ++arrivals_;
  waiting.returned_.Mutable() = {returned, arrival};
  if (!added) return Reenter(waiting);
  Enter(waiting);
  WatchSlack(waiting);
}

void JobQueue::Take(const std::string& id) {
  Waiting& waiting = Get(id);
  turns_.Begin(waiting);
  Reenter(waiting);
}

void JobQueue::Drop(const std::string& id) {
  Waiting& waiting = Get(id);
  turns_.Drop(waiting);
  Reenter(waiting);
}

bool JobQueue::Remove(const std::string& id) {
  Waiting* const waiting = entries_.Find(id);
  if (waiting == nullptr) return false;
  if (waiting->portions > 0) turns_.Leave(*waiting);
  Exit(*waiting);
  Forget(*waiting);
  return true;
}

void JobQueue::SetOffers(const std::string& id, uint64_t offers) {
  Waiting& waiting = Get(id);
  if (waiting.takes_ == offers) return;
  if (waiting.held_) ForgetHeld(waiting);
  waiting.takes_ = offers;
  if (waiting.held_) return NoteHeld(waiting);
  waiting.offers = offers;
  Line::Update(waiting);
}

void JobQueue::Hold(const std::string& id) {
  Waiting& waiting = Get(id);
  if (waiting.held_) return;
  waiting.held_ = true;
  waiting.offers = 0;
  Line::Update(waiting);
  NoteHeld(waiting);
}

std::set<std::string> JobQueue::Release(const std::string& tenant) {
  std::set<std::string> models;
  const auto held = held_.find(tenant);
  if (held == held_.end()) return models;
  std::vector<Waiting*> first;
  for (const auto& [kind, line] : held->second) first.push_back(line.begin()->second);
  for (Waiting* const waiting : first) {
    LetGo(*waiting);
    models.insert(waiting->model_->name);
  }
  return models;
}

void JobQueue::LetGo(Waiting& waiting) {
  ForgetHeld(waiting);
  waiting.held_ = false;
  waiting.offers = waiting.takes_;
  Line::Update(waiting);
}

const std::string& JobQueue::HoldingAfter(const std::string& tenant) const {
  const auto next = held_.upper_bound(tenant);
  return next == held_.end() ? held_.begin()->first : next->first;
}

void JobQueue::NoteHeld(Waiting& waiting) {
  held_[waiting.tenant()][{waiting.model_, waiting.priority_, waiting.takes_}][waiting.turn] = &waiting;
}

void JobQueue::ForgetHeld(const Waiting& waiting) {
  const auto tenant = held_.find(waiting.tenant());
  const auto kind = tenant->second.find({waiting.model_, waiting.priority_, waiting.takes_});
  kind->second.erase(waiting.turn);
  if (kind->second.empty()) tenant->second.erase(kind);
  if (tenant->second.empty()) held_.erase(tenant);
}

JobQueue::Model& JobQueue::ModelOf(const std::string& name) {
  const auto [model, added] = models_.try_emplace(name);
  if (added) {
    model->second.name = name;
    model->second.price = model->second.slack_price = default_price_;
  }
  return model->second;
}

JobQueue::Waiting& JobQueue::Add(const QueuedJob& job) {
  auto entry = std::make_unique<Waiting>();
  entry->id_ = job.id;
  entry->tenant_ = &*tenants_.try_emplace(job.tenant).first;
  ++entry->tenant_->second;
  entry->priority_ = job.priority;
  entry->picture_ = job.picture;
  if (job.deadline != absl::InfiniteFuture()) entry->times_.Mutable().deadline = job.deadline;
  entry->model_ = &ModelOf(job.model);
  entry->offers = entry->takes_ = job.offers;
  entry->arrival_ = ++arrivals_;
  ++by_priority_[job.priority];
  return entries_.Insert(std::move(entry));
}

void JobQueue::Enter(Waiting& waiting) {
  if (waiting.returned()) {
    waiting.turn = {kReturned, 0, waiting.returned_->arrival};
  } else if (waiting.urgent_) {
    waiting.turn = {kUrgent, absl::ToDoubleSeconds(waiting.times_->deadline - absl::UnixEpoch()),
                    waiting.arrival_};
  } else {
    waiting.turn = {kInTurn, waiting.start, waiting.arrival_};
  }
  waiting.work = waiting.returned_->work + waiting.picture_ * waiting.portions;
  waiting.model_->lines[waiting.priority_].Insert(waiting);
  if (waiting.held_) NoteHeld(waiting);
}

void JobQueue::Exit(Waiting& waiting) {
  if (waiting.held_) ForgetHeld(waiting);
  const auto line = waiting.model_->lines.find(waiting.priority_);
  line->second.Erase(waiting);
  if (line->second.empty()) waiting.model_->lines.erase(line);
}

void JobQueue::Reenter(Waiting& waiting) {
  Exit(waiting);
  if (waiting.portions + waiting.returned_->pictures == 0) return Forget(waiting);
  Enter(waiting);
  WatchSlack(waiting);
}

void JobQueue::Forget(Waiting& waiting) {
  UnwatchSlack(waiting);
  --by_priority_.at(waiting.priority_);
  if (--waiting.tenant_->second == 0) tenants_.erase(tenants_.find(waiting.tenant()));
  entries_.Take(waiting.id());
}

// --- Time and prices.

absl::Time JobQueue::SlackUntil(const Waiting& waiting) {
  return waiting.times_->deadline - kSlackFloor -
         absl::Seconds(kSlackFactor * waiting.model_->price.Of(waiting.work));
}

void JobQueue::WatchSlack(Waiting& waiting) {
  UnwatchSlack(waiting);
  if (waiting.urgent_ || waiting.times_->deadline == absl::InfiniteFuture()) return;
  waiting.times_.Mutable().slack_until = SlackUntil(waiting);
  waiting.model_->slack.emplace(waiting.times_->slack_until, &waiting);
}

void JobQueue::UnwatchSlack(Waiting& waiting) {
  if (waiting.times_->slack_until == absl::InfiniteFuture()) return;
  waiting.model_->slack.erase({waiting.times_->slack_until, &waiting});
  waiting.times_.Mutable().slack_until = absl::InfiniteFuture();
}

void JobQueue::Advance(absl::Time now) {
  for (auto& [name, model] : models_) {
    while (!model.slack.empty() && model.slack.begin()->first < now) {
      Waiting& waiting = *model.slack.begin()->second;
      UnwatchSlack(waiting);
      if (SlackUntil(waiting) < now) {
        Exit(waiting);
        waiting.urgent_ = true;
        Enter(waiting);
      } else {  // it has become cheaper since
        model.slack_price.row = std::min(model.slack_price.row, model.price.row);
        model.slack_price.row_megapixel =
            std::min(model.slack_price.row_megapixel, model.price.row_megapixel);
        WatchSlack(waiting);
      }
    }
  }
}

void JobQueue::SetPrice(const std::string& name, const Price& price) {
  Model& model = ModelOf(name);
  model.price = price;
  if (price.row <= kNotableRise * model.slack_price.row &&
      price.row_megapixel <= kNotableRise * model.slack_price.row_megapixel) {
    return;
  }
  model.slack_price = price;
  const std::set<std::pair<absl::Time, Waiting*>> watched = model.slack;
  for (const auto& [time, waiting] : watched) WatchSlack(*waiting);
}

const Price& JobQueue::PriceOf(const std::string& model) const {
  const auto found = models_.find(model);
  return found == models_.end() ? default_price_ : found->second.price;
}

// --- Who is next.

const JobQueue::Waiting* JobQueue::First(const std::string& name, int priority, uint64_t offers) const {
  const auto model = models_.find(name);
  if (model == models_.end()) return nullptr;
  const auto line = model->second.lines.find(priority);
  if (line == model->second.lines.end()) return nullptr;
  return static_cast<const Waiting*>(line->second.First(offers));
}

const JobQueue::Waiting* JobQueue::Next(const Waiting& waiting, uint64_t offers) {
  return static_cast<const Waiting*>(Line::Next(waiting, offers));
}

void JobQueue::ForEach(const std::string& name,
                       const std::function<void(const std::string& id)>& visit) const {
  const auto model = models_.find(name);
  if (model == models_.end()) return;
  for (const auto& [priority, line] : model->second.lines) {
    line.ForEach([&](const Line::Node& node) { visit(static_cast<const Waiting&>(node).id()); });
  }
}

// --- Sums.

int64_t JobQueue::Waits(int priority) const {
  const auto found = by_priority_.find(priority);
  return found == by_priority_.end() ? 0 : found->second;
}

int64_t JobQueue::AheadOf(const std::string& id) const {
  const Waiting& self = Get(id);
  int64_t ahead = 0;
  for (const auto& [name, model] : models_) {
    for (const auto& [priority, line] : model.lines) {
      if (priority < self.priority_) break;
      ahead += priority > self.priority_ ? line.sum().jobs : line.Before(self.turn).jobs;
    }
  }
  return ahead;
}

double JobQueue::CostAheadOf(const std::string& id, const Shares& share) const {
  const Waiting& self = Get(id);
  return CostBefore(self.priority_, self.turn, share);
}

double JobQueue::CostAheadOfNew(int priority, const std::string& tenant, const Shares& share) const {
  return CostBefore(priority, {kInTurn, turns_.NextStart(tenant), arrivals_ + 1}, share);
}

double JobQueue::CostBefore(int priority, const Turn& turn, const Shares& share) const {
  double cost = 0;
  for (const auto& [name, model] : models_) {
    Work work;
    for (const auto& [line_priority, line] : model.lines) {
      if (line_priority < priority) break;
      work += line_priority > priority ? line.sum().work : line.Before(turn).work;
    }
    if (work.rows > 0) cost += share(name) * model.price.Of(work);
  }
  return cost;
}

JobQueue::Sum JobQueue::SumOf(const Model& model) {
  Sum sum;
  for (const auto& [priority, line] : model.lines) {
    const Standing standing = line.sum();
    sum.jobs += standing.jobs;
    sum.steps += standing.work.steps;
    sum.cost_seconds += model.price.Of(standing.work);
  }
  return sum;
}

JobQueue::Sum JobQueue::Of(const std::string& model) const {
  const auto found = models_.find(model);
  return found == models_.end() ? Sum() : SumOf(found->second);
}

std::map<std::string, JobQueue::Sum> JobQueue::ByModel() const {
  std::map<std::string, Sum> sums;
  for (const auto& [name, model] : models_) {
    if (!model.lines.empty()) sums[name] = SumOf(model);
  }
  return sums;
}

}  // namespace mind::server
