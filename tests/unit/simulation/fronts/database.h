// A model of the database that several fronts share: a primary and a standby that it waits for.
//
// What changes it is one log, in which it happens one after the other. What is asked travels; so does the
// answer, and either may be lost. A change has happened when the standby has it: until then nobody sees it,
// and what comes after it waits. A crash of the primary loses no change but the answers; a failover loses
// those as well that had not reached the standby, to which nobody had been told yes. Both lose what is not
// logged.
#ifndef MIND_TESTS_UNIT_SIMULATION_FRONTS_DATABASE_H_
#define MIND_TESTS_UNIT_SIMULATION_FRONTS_DATABASE_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/errors.h"
#include "server/store/checkpoint_store.h"
#include "server/store/term_store.h"
#include "tests/unit/server/fake_store.h"
#include "tests/unit/simulation/fronts/account.h"
#include "tests/unit/simulation/fronts/course.h"

namespace mind::server::simulated {

class Database {
 public:
  template <typename T>
  using Done = StoreDone<T>;

  // How one process reaches it.
  struct Line {
    bool cut = false;
    bool dead = false;      // the process is no more: nobody hears answers
    double clock_rate = 1;  // of that process
  };
  using LinePtr = std::shared_ptr<Line>;

  explicit Database(Course& course) : course_(course), account_(course, content_) {}

  // What of it fronts use.
  std::unique_ptr<TermStore> Terms(LinePtr line) {
    return std::make_unique<TermSession>(*this, std::move(line));
  }
  absl::StatusOr<std::unique_ptr<JobStore>> Open(LinePtr line, uint64_t term) {
    if (!Reaches(*line) || (!course_.calm() && course_.Chance(0.1))) return Away();
    return std::make_unique<Session>(*this, std::move(line), term);
  }

  // --- What befalls it.

  void SetAway(bool away) { away_ = away; }
  bool away() const { return away_; }
  // It is killed, and starts again from its log.
  void Crash() { Break(log_.size()); }
  // The primary is lost, and the standby takes over with as much of the log as it has.
  void FailOver() {
    Break(course_.Pick(static_cast<uint32_t>(log_.size()) + 1));
    if (!course_.Has(Bug::kAsynchronousStandby) || behind_.empty()) return;
    std::tie(row_, content_) = std::move(behind_.front());
    behind_.clear();
  }

  const TermRow& row() const { return row_; }
  const FakeStore& content() const { return content_; }
  Account& account() { return account_; }
  bool Reaches(const Line& line) const { return !away_ && !line.cut; }

  static absl::Status Away() {
    return MakeError(absl::StatusCode::kUnavailable, "no answer", "STORE_UNAVAILABLE");
  }

 private:
  // A change on its way to the standby.
  struct Change {
    uint64_t number = 0;
    std::function<void(bool answered)> happen;
    Work vanish;
  };

  // Has `work` done when it gets there, and its answer told when that comes back.
  template <typename T>
  void Ask(const LinePtr& line, std::function<T()> work, Done<T> done) {
    course_.Later([this, line, work = std::move(work), done = std::move(done)] {
      Answer<T>(line, Arrives(*line) ? absl::StatusOr<T>(work()) : Away(), done);
    });
  }
  // The same for a change.
  template <typename T>
  void Write(const LinePtr& line, std::function<absl::StatusOr<T>()> work, Done<T> done) {
    course_.Later([this, line, work = std::move(work), done = std::move(done)] {
      if (!Arrives(*line)) {
        if (course_.Has(Bug::kLateWrites))
          course_.At(course_.now() + absl::Seconds(3), [work] { work().IgnoreError(); });
        return Answer<T>(line, Away(), done);
      }
      const uint64_t number = ++last_;
      log_.push_back({number,
                      [this, line, work, done](bool answered) {
                        absl::StatusOr<T> outcome = work();
                        Answer<T>(line, answered ? std::move(outcome) : Away(), done);
                      },
                      [this, line, done] { Answer<T>(line, Away(), done); }});
      course_.At(course_.now() + absl::Milliseconds(1 + course_.Pick(20)), [this, number] { Reach(number); });
    });
  }
  bool Arrives(const Line& line) { return line.dead ? course_.Chance(0.5) : Reaches(line); }
  template <typename T>
  void Answer(const LinePtr& line, absl::StatusOr<T> answer, const Done<T>& done) {
    course_.Later([this, line, done, answer = std::move(answer)]() mutable {
      if (line->dead) return;
      done(Reaches(*line) ? std::move(answer) : absl::StatusOr<T>(Away()));
    });
  }

  // The standby has all up to this change.
  void Reach(uint64_t number) {
    while (!log_.empty() && log_.front().number <= number) {
      const Change change = std::move(log_.front());
      log_.pop_front();
      change.happen(course_.calm() || !course_.Chance(0.02));
    }
  }
  // Of what is on its way so many happen, and nobody hears of any. What is not logged is lost.
  void Break(size_t happen) {
    states_.clear();
    for (const Change& change : std::exchange(log_, {}))
      happen-- > 0 ? change.happen(false) : change.vanish();
  }

  // --- Who leads.

  class TermSession : public TermStore {
   public:
    TermSession(Database& database, LinePtr line) : all_(database), line_(std::move(line)) {}

    void Read(Done<TermRow> done) override {
      all_.Ask<TermRow>(
          line_, [&all = all_] { return all.row_; }, std::move(done));
    }
    void Take(const TermRow& seen, const std::string& holder, const std::string& address,
              Done<std::optional<uint64_t>> done) override {
      all_.Write<std::optional<uint64_t>>(
          line_,
          [&all = all_, rate = line_->clock_rate, seen, holder, address] {
            return all.TakeTerm(rate, seen, holder, address);
          },
          std::move(done));
    }
    void Renew(uint64_t term, const std::string& holder, Done<bool> done) override {
      all_.Write<bool>(
          line_,
          [&all = all_, term, holder] {
            const bool ours = all.row_.term == term && all.row_.holder == holder;
            if (ours) ++all.row_.beat;
            if (ours) all.row_changed_ = all.course_.now();
            return ours;
          },
          std::move(done));
    }
    void Resign(uint64_t term, const std::string& holder, Done<bool> done) override {
      all_.Write<bool>(
          line_,
          [&all = all_, term, holder] {
            const bool ours = all.row_.term == term && all.row_.holder == holder;
            if (ours) all.row_.holder.clear();
            return ours;
          },
          std::move(done));
    }

   private:
    Database& all_;
    const LinePtr line_;
  };

  std::optional<uint64_t> TakeTerm(double clock_rate, const TermRow& seen, const std::string& holder,
                                   const std::string& address) {
    if (row_ != seen) return std::nullopt;
    // Who lives is not deposed: its row must have stood still for a lease, by the clock of who takes it.
    if (!row_.holder.empty() && row_.holder != holder &&
        course_.now() - row_changed_ < kLease / clock_rate - absl::Milliseconds(1)) {
      course_.Violated("a leader that is heard has been deposed");
    }
    row_ = {row_.term + 1, holder, address, 0};
    row_changed_ = course_.now();
    return row_.term;
  }

  // --- Jobs.

  absl::Status Commit(uint64_t term, const std::shared_ptr<const StoreBatch>& batch) {
    if (term != row_.term) {
      if (!course_.Has(Bug::kNoFence)) return MakeError(absl::StatusCode::kAborted, "over", kTermOver);
      course_.Violated("a write under a term that is over");
    }
    if (course_.Has(Bug::kAsynchronousStandby)) {
      behind_.emplace_back(row_, content_);
      if (behind_.size() > 3) behind_.pop_front();
    }
    account_.Before(term, *batch);
    content_.Commit(batch, [](const absl::Status&) {});
    account_.After(*batch);
    return absl::OkStatus();
  }

  // What a leader that takes over reads of a job, if it reads rightly.
  void Read(const std::function<void(StoredJob)>& take) {
    std::vector<StoredJob> jobs;
    content_.ForEach([&](const StoredJob& stored) {
      if (stored.end_sequence == 0 || course_.Has(Bug::kForgetsEnds)) jobs.push_back(stored);
    });
    std::sort(jobs.begin(), jobs.end(),
              [](const StoredJob& one, const StoredJob& other) { return one.number < other.number; });
    if (course_.Has(Bug::kForgetsAJob) && !jobs.empty()) jobs.pop_back();
    for (StoredJob& stored : jobs) {
      if (course_.Has(Bug::kForgetsAttempts)) stored.job.set_attempt(0);
      if (course_.Has(Bug::kForgetsPictures)) stored.images.clear();
      if (course_.Has(Bug::kFavoursATenant) && stored.job.tenant() == "t0") {
        stored.job.set_priority(v1::PRIORITY_HIGH);
      }
      if (course_.Has(Bug::kForgetsEnds)) stored.job.clear_end_time();
      take(std::move(stored));
    }
  }

  // States of pictures, which are not logged: neither waited for nor kept over a crash.
  class States : public CheckpointStore {
   public:
    States(Database& database, LinePtr line, uint64_t term)
        : all_(database), line_(std::move(line)), term_(term) {}

    void Save(std::vector<StoredCheckpoint> checkpoints, std::function<void(absl::Status)> done) override {
      all_.Ask<bool>(
          line_,
          [&all = all_, term = term_, checkpoints = std::move(checkpoints)] {
            for (const StoredCheckpoint& one : checkpoints) {
              const StoredJob* const job = all.content_.Look(one.job_id);
              if (term != all.row_.term || job == nullptr || job->end_sequence != 0) continue;
              all.states_[{one.job_id, one.image_index}] = one;
            }
            return true;
          },
          [done](const absl::StatusOr<bool>& saved) { done(saved.status()); });
    }
    void Forget(std::vector<std::string> job_ids) override {
      all_.Ask<bool>(
          line_,
          [&all = all_, job_ids = std::move(job_ids)] {
            for (const std::string& id : job_ids) {
              std::erase_if(all.states_, [&](const auto& one) { return one.first.first == id; });
            }
            return true;
          },
          [](const absl::StatusOr<bool>&) {});
    }
    absl::Status ForEach(const std::function<void(StoredCheckpoint)>& take) override {
      for (const auto& [picture, state] : all_.states_) {
        StoredCheckpoint one = state;
        if (all_.course_.Has(Bug::kMixesStates)) one.image_index ^= 1;
        take(std::move(one));
      }
      return absl::OkStatus();
    }

   private:
    Database& all_;
    const LinePtr line_;
    const uint64_t term_;
  };

  // The store of one term.
  class Session : public JobStore {
   public:
    Session(Database& database, LinePtr line, uint64_t term)
        : all_(database), line_(std::move(line)), term_(term), states_(database, line_, term) {}

    void Commit(std::shared_ptr<const StoreBatch> batch, std::function<void(absl::Status)> done) override {
      if (all_.course_.Has(Bug::kSaysYesTooEarly)) {
        done(absl::OkStatus());
        done = [](const absl::Status&) {};
      }
      all_.Write<bool>(
          line_,
          [&all = all_, batch, term = term_]() -> absl::StatusOr<bool> {
            const absl::Status committed = all.Commit(term, batch);
            return committed.ok() ? absl::StatusOr<bool>(true) : committed;
          },
          [&all = all_, done](const absl::StatusOr<bool>& committed) {
            const bool silence = absl::IsUnavailable(committed.status());
            done(silence && all.course_.Has(Bug::kTakesSilenceForYes) ? absl::OkStatus()
                                                                      : committed.status());
          });
    }
    void Purge(const PurgeQuery&, int, Done<int> done) override { done(0); }
    void FindSources(const std::string&, Done<PictureBytes> done) override { done(PictureBytes()); }
    absl::Status ForEachUnfinished(const std::function<void(StoredJob)>& take) override {
      all_.Read(take);
      return absl::OkStatus();
    }
    absl::Status ForEachUnsettledWebhook(const std::function<void(const v1::Job&)>&) override {
      return absl::OkStatus();
    }
    absl::StatusOr<std::vector<StoredSecret>> Secrets(const std::string& purpose) override {
      return all_.content_.Secrets(purpose);
    }
    CheckpointStore* checkpoints() override { return &states_; }
    StoreDurability durability() const override { return {.disk = true, .standby = true}; }
    uint64_t epoch() const override { return term_; }
    void Find(const std::string& tenant, const std::string& id,
              Done<std::optional<StoredJob>> done) override {
      all_.Ask<std::optional<StoredJob>>(
          line_,
          [&all = all_, tenant, id] {
            std::optional<StoredJob> job;
            all.content_.Find(tenant, id, [&](const auto& found) { job = *found; });
            return job;
          },
          std::move(done));
    }
    void FindRequest(const std::string& tenant, const std::string& request_id,
                     Done<std::optional<EarlierRequest>> done) override {
      all_.Ask<std::optional<EarlierRequest>>(
          line_,
          [&all = all_, tenant, request_id] {
            std::optional<EarlierRequest> earlier;
            if (all.course_.Has(Bug::kForgetsRequests)) return earlier;
            all.content_.FindRequest(tenant, request_id, [&](const auto& found) { earlier = *found; });
            return earlier;
          },
          std::move(done));
    }
    void List(const JobQuery&, Done<std::vector<StoredJob>> done) override { done(std::vector<StoredJob>()); }
    void FindImage(const std::string&, uint32_t, Done<std::optional<StoredImage>> done) override {
      done(std::nullopt);
    }
    void Models(Done<std::vector<v1::Model>> done) override { all_.content_.Models(std::move(done)); }
    void ListUsage(const UsageQuery& query, Done<std::vector<v1::Usage>> done) override {
      all_.content_.ListUsage(query, std::move(done));
    }

   private:
    Database& all_;
    const LinePtr line_;
    const uint64_t term_;
    States states_;
  };

  Course& course_;
  TermRow row_;
  absl::Duration row_changed_;
  FakeStore content_;
  std::map<std::pair<std::string, uint32_t>, StoredCheckpoint> states_;  // by job and picture; not logged
  Account account_;
  bool away_ = false;
  uint64_t last_ = 0;
  std::deque<Change> log_;                            // that has not reached the standby
  std::deque<std::pair<TermRow, FakeStore>> behind_;  // as it was, where the standby does not keep up
};

}  // namespace mind::server::simulated

#endif  // MIND_TESTS_UNIT_SIMULATION_FRONTS_DATABASE_H_
