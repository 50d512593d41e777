// Counts anew, by looking at everything, what a dispatcher keeps as running sums, indices and order.
#ifndef MIND_TESTS_UNIT_SERVER_DISPATCHER_AUDIT_H_
#define MIND_TESTS_UNIT_SERVER_DISPATCHER_AUDIT_H_

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "server/dispatch/dispatcher.h"

namespace mind::server {

class DispatcherAudit {
 public:
  DispatcherAudit(const Dispatcher& dispatcher, const Moment& now)
      : dispatcher_(dispatcher), now_(dispatcher.Listening(now)) {}

  void Check() const {
    CheckJobs();
    CheckRunning();
    CheckFleet();
    CheckOrder();
    if (dispatcher_.placing_) CheckNothingWaitsInVain();
  }

 private:
  static void ExpectSame(const Work& kept, const Work& counted, const std::string& what) {
    EXPECT_NEAR(kept.rows, counted.rows, 1e-6) << what;
    EXPECT_NEAR(kept.row_megapixels, counted.row_megapixels, 1e-6) << what;
    EXPECT_EQ(kept.steps, counted.steps) << what;
  }

  void CheckJobs() const {
    std::map<std::string, JobQueue::Sum> waiting;
    std::map<std::string, int64_t> running;
    size_t running_jobs = 0;
    for (const ActiveJob* const job : dispatcher_.jobs_.All()) {
      const std::string& id = job->id();
      uint32_t done = 0, steps = 0, waits = 0;
      Work work;
      for (const ActiveJob::Image& image : job->images()) {
        done += image.done ? 1 : 0;
        steps += image.step;
        if (!image.waits()) continue;
        ++waits;
        work += job->WorkAfter(image.begun ? image.checkpoint_step : 0);
      }
      EXPECT_EQ(job->job.images_done(), done) << id;
      EXPECT_EQ(job->job.steps_done(), steps) << id;
      EXPECT_EQ(dispatcher_.queue_.Contains(id), waits > 0) << id;
      bool runs = false;
      for (const auto& [number, attempt] : job->attempts()) runs |= !attempt.outstanding.empty();
      EXPECT_EQ(job->running(), runs) << id;
      EXPECT_EQ(job->job.state(), runs ? v1::JOB_STATE_RUNNING : v1::JOB_STATE_QUEUED) << id;
      running_jobs += runs ? 1 : 0;
      running[job->model()] += runs ? 1 : 0;
      if (waits == 0) continue;
      JobQueue::Sum& sum = waiting[job->model()];
      ++sum.jobs;
      sum.steps += work.steps;
      sum.cost_seconds += dispatcher_.PriceOf(job->model()).Of(work);
    }
    EXPECT_EQ(dispatcher_.running_jobs(), running_jobs);
    std::erase_if(running, [](const auto& entry) { return entry.second == 0; });
    EXPECT_EQ(dispatcher_.RunningByModel(), running);
    const std::map<std::string, JobQueue::Sum> kept = dispatcher_.queue_.ByModel();
    EXPECT_EQ(kept.size(), waiting.size());
    for (const auto& [model, sum] : waiting) {
      EXPECT_EQ(kept.at(model).jobs, sum.jobs) << model;
      EXPECT_EQ(kept.at(model).steps, sum.steps) << model;
      EXPECT_NEAR(kept.at(model).cost_seconds, sum.cost_seconds, 1e-6) << model;
    }
  }

  void CheckRunning() const {
    std::map<std::string, int64_t> by_tenant;
    for (const auto& [name, worker] : dispatcher_.Workers()) {
      Work all;
      for (const auto& [key, picture] : worker.running()) {
        ++by_tenant[picture.tenant];
        const ActiveJob* const job = dispatcher_.jobs_.Find(key.job);
        const bool made = job != nullptr && job->images()[key.image].attempt == key.attempt;
        EXPECT_EQ(made, !picture.stopping) << key.job;
        const Work expected = made ? job->WorkAfter(job->images()[key.image].step) : Work();
        ExpectSame(picture.left, expected, key.job);
        all += expected;
      }
      ExpectSame(worker.left(), all, name);
    }
    for (const char* const tenant : {"t0", "t1", "t2"}) {
      EXPECT_EQ(dispatcher_.tenants_.Running(tenant), by_tenant[tenant]) << tenant;
      const uint32_t limit = dispatcher_.options_.running_limit_of(tenant);
      if (limit > 0) {
        EXPECT_LE(by_tenant[tenant], limit) << tenant;
      }
    }
    for (int priority = v1::Priority_MIN; priority <= v1::Priority_MAX; ++priority) {
      std::map<std::string, Work> counted, kept;
      for (const auto& [name, worker] : dispatcher_.Workers()) {
        for (const auto& [key, picture] : worker.running()) {
          if (picture.priority >= priority && picture.left.rows > 0) counted[picture.model] += picture.left;
        }
      }
      dispatcher_.running_.ForEach(priority, [&](const std::string& model, const Work& work, int64_t) {
        if (work.rows > 1e-6) kept[model] = work;
      });
      EXPECT_EQ(kept.size(), counted.size());
      for (const auto& [model, work] : counted) ExpectSame(kept[model], work, model);
    }
  }

  void CheckFleet() const {
    const Fleet& fleet = dispatcher_.fleet_;
    Fleet::Census census;
    std::map<std::string, int64_t> able;
    std::map<std::pair<std::string, int>, bool> open[Fleet::kRooms];
    for (const auto& [name, worker] : dispatcher_.Workers()) {
      std::map<int, int64_t> by_priority;
      bool alone = false, stuck = false, reserved = false;
      for (const auto& [key, picture] : worker.running()) {
        ++by_priority[picture.priority];
        alone |= picture.alone;
        stuck |= picture.hangs;
      }
      for (const auto& [job, kept] : fleet.reservations()) reserved |= kept == name;
      EXPECT_EQ(worker.stuck(), stuck) << name;
      EXPECT_EQ(worker.RunsAlone(), alone) << name;
      const bool takes = worker.ready() && !worker.draining() && !stuck;
      census.starting += worker.ready() ? 0 : 1;
      census.draining += worker.ready() && worker.draining() ? 1 : 0;
      census.stuck += worker.ready() && !worker.draining() && stuck ? 1 : 0;
      const bool full = worker.running().size() >= worker.capacity().max_images();
      census.busy += takes && full ? 1 : 0;
      census.ready += takes && !full ? 1 : 0;
      for (const v1::Model& model : worker.registration().models()) {
        able[model.name()] += !worker.draining() && !stuck ? 1 : 0;
        int64_t occupied = 0;
        for (int priority = v1::Priority_MAX; priority >= v1::Priority_MIN; --priority) {
          const int64_t higher = occupied;
          occupied += by_priority[priority];
          const int64_t places = worker.capacity().max_images();
          const bool takes_more = takes && !alone && !reserved;
          open[Fleet::kForAll][{model.name(), priority}] |= takes_more && occupied < places;
          open[Fleet::kForNewTenants][{model.name(), priority}] |=
              takes_more && higher == 0 && occupied >= places && occupied < places + places / 4;
        }
      }
    }
    EXPECT_EQ(fleet.census().starting, census.starting);
    EXPECT_EQ(fleet.census().ready, census.ready);
    EXPECT_EQ(fleet.census().busy, census.busy);
    EXPECT_EQ(fleet.census().draining, census.draining);
    EXPECT_EQ(fleet.census().stuck, census.stuck);
    for (const std::string& model : fleet.known_models()) {
      EXPECT_EQ(fleet.Able(model), able[model]) << model;
      for (int priority = v1::Priority_MIN; priority <= v1::Priority_MAX; ++priority) {
        for (const Fleet::Room room : {Fleet::kForAll, Fleet::kForNewTenants}) {
          EXPECT_EQ(fleet.Open(model, priority, room) != 0, (open[room][{model, priority}]))
              << model << priority;
        }
      }
    }
  }

  // The place that each job is told is the one it has.
  void CheckOrder() const {
    const JobQueue& queue = dispatcher_.queue_;
    int64_t before = 0;
    for (int priority = v1::Priority_MAX; priority >= v1::Priority_MIN; --priority) {
      std::map<std::string, const JobQueue::Waiting*> next;
      for (const char* const model : {"m", "n"}) {
        if (const auto* const first = queue.First(model, priority, ~uint64_t{0})) next[model] = first;
      }
      while (!next.empty()) {
        auto first = next.begin();
        for (auto other = next.begin(); other != next.end(); ++other) {
          if (other->second->GoesBefore(*first->second)) first = other;
        }
        // Those that no offer would do for are not met here, and may stand in between.
        EXPECT_GE(queue.AheadOf(first->second->id()), before) << first->second->id();
        before = queue.AheadOf(first->second->id()) + 1;
        first->second = JobQueue::Next(*first->second, ~uint64_t{0});
        if (first->second == nullptr) next.erase(first);
      }
    }
    EXPECT_LE(before, static_cast<int64_t>(queue.size()));
  }

  // Where there is room for a waiting picture, it would have been placed.
  void CheckNothingWaitsInVain() const {
    for (const ActiveJob* const job : dispatcher_.jobs_.All()) {
      const std::string& id = job->id();
      if (!dispatcher_.queue_.Contains(id) || dispatcher_.MustRunAlone(*job)) continue;
      // Those of a tenant that has as much as it may, or had until a moment ago.
      if (dispatcher_.queue_.IsHeld(id) || !dispatcher_.tenants_.Has(job->job.tenant())) continue;
      bool trusted = false, room_trusted = false, room = false;
      for (const auto& [name, worker] : dispatcher_.Workers()) {
        const Offer* const offer = worker.OfferOf(job->model());
        if (offer == nullptr || job->HasFailedOn(name) || !offer->Allows(job->job.spec())) continue;
        if (!SameWeights(offer->revision(), job->revision()) || worker.draining() || worker.stuck()) continue;
        bool reserved = false;
        for (const auto& [other, kept] : dispatcher_.fleet_.reservations()) reserved |= kept == name;
        const bool fits =
            worker.usable() && !reserved && !worker.RunsAlone() && worker.Room(job->job.priority()) > 0;
        const bool trusts = worker.Trusted(job->model(), now_);
        trusted |= trusts;
        room_trusted |= trusts && fits;
        room |= fits;
      }
      EXPECT_FALSE(trusted ? room_trusted : room) << id << " waits although there is room";
    }
  }

  const Dispatcher& dispatcher_;
  const Moment now_;
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_DISPATCHER_AUDIT_H_
