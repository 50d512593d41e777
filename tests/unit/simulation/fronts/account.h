// What must be true of all that fronts write and give out, beside what they themselves believe.
#ifndef MIND_TESTS_UNIT_SIMULATION_FRONTS_ACCOUNT_H_
#define MIND_TESTS_UNIT_SIMULATION_FRONTS_ACCOUNT_H_

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "mind/v1/worker.pb.h"
#include "tests/unit/server/fake_store.h"
#include "tests/unit/simulation/fronts/course.h"

namespace mind::server::simulated {

class Account {
 public:
  // `content` is what the database holds. Both must outlive it.
  Account(Course& course, const FakeStore& content) : course_(course), content_(content) {}

  // --- What is written.

  // A batch is about to happen, and has happened.
  void Before(uint64_t term, const StoreBatch& batch) {
    before_.clear();
    for (const StoreWrite& write : batch) {
      if (const auto* update = std::get_if<UpdateJob>(&write)) Remember(update->job.id());
      if (const auto* image = std::get_if<AddImage>(&write)) Remember(image->job_id);
      if (const auto* end = std::get_if<EndJob>(&write)) {
        Remember(end->job.id());
        if (end->job.state() == v1::JOB_STATE_CANCELLED) Spoil(term);
      }
      // What waits has become more: who has come when is not seen from here.
      if (const auto* insert = std::get_if<InsertJob>(&write)) {
        inserted_.emplace(insert->job.id(), term);
        Spoil(term);
      }
    }
  }
  void After(const StoreBatch& batch) {
    for (const auto& [id, before] : before_) {
      const StoredJob* const now = content_.Look(id);
      if (now == nullptr) continue;  // forgotten
      if (now->job.attempt() < before.attempt) Older();
      if (before.end_sequence == 0) continue;
      if (!now->job.has_end_time()) Older();
      if (now->end_sequence != before.end_sequence || now->job.state() != before.state) {
        course_.Violated("a job ended twice");
      }
    }
    for (const StoreWrite& write : batch) {
      const auto* const image = std::get_if<AddImage>(&write);
      const StoredJob* const job = image == nullptr ? nullptr : content_.Look(image->job_id);
      if (job == nullptr) continue;
      for (const ImageMark& mark : job->images) {
        if (mark.index == image->index && mark.sequence != image->sequence) {
          course_.Violated("a picture is made twice");
        }
      }
    }
  }

  // --- What is given out.

  // An assignment leaves, in this term.
  void Assigned(uint64_t term, const v1::Assign& assign) {
    const StoredJob* const stored = content_.Look(assign.job_id());
    if (stored == nullptr || stored->job.attempt() < assign.attempt()) {
      return course_.Violated("an assignment has left before it was durable");
    }
    if (!attempts_.insert({assign.job_id(), assign.attempt()}).second) {
      return course_.Violated("an attempt is given twice");
    }
    for (const v1::AssignedImage& image : assign.images()) {
      const std::string& state = image.checkpoint();
      if (!state.empty() && !states_.contains({assign.job_id(), image.image_index(), state})) {
        course_.Violated("a picture goes on from a state that is not its own");
      }
    }
    Share(term, *stored, assign);
  }
  // A worker says how far a picture is.
  void Reached(const v1::ImageCheckpoint& checkpoint) {
    states_.insert({checkpoint.image().job_id(), checkpoint.image().image_index(), checkpoint.data()});
  }
  // A finished picture arrives that may have been made for an earlier leader.
  void Brought(uint64_t term, const v1::ImageRef& image) {
    reigns_[term].taken[image.job_id()].insert(image.image_index());
  }
  // Pictures come back in this term, and go before others: shares are no longer counted in it.
  void Spoil(uint64_t term) { reigns_[term].counts = false; }

 private:
  struct Remembered {
    uint32_t attempt = 0;
    uint64_t end_sequence = 0;
    v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  };
  // What one leader gives out.
  struct Reign {
    bool counts = true;
    std::map<std::string, std::set<uint32_t>> taken;  // by job: pictures that wait no more
    std::map<std::string, double> given;              // by tenant: steps
    absl::Duration at;                                // of what was given out last
  };

  void Remember(const std::string& id) {
    const StoredJob* const job = content_.Look(id);
    if (job != nullptr) before_[id] = {job->job.attempt(), job->end_sequence, job->job.state()};
  }
  void Older() { course_.Violated("an older state is written over a newer"); }

  // Tenants that all have something waiting are given the same, to within a picture of each. What is given
  // out at one time goes in another order than it was decided, the pictures of a job together: it is looked
  // at when the next goes.
  void Share(uint64_t term, const StoredJob& job, const v1::Assign& assign) {
    Reign& reign = reigns_[term];
    if (!reign.counts) return;
    if (reign.at != course_.now()) CheckShares(term, reign);
    reign.at = course_.now();
    std::set<uint32_t>& taken = reign.taken[job.job.id()];
    for (const v1::AssignedImage& image : assign.images()) {
      taken.insert(image.image_index());
      reign.given[job.job.tenant()] += assign.spec().steps();
    }
  }
  void CheckShares(uint64_t term, Reign& reign) {
    std::map<std::string, double> largest;  // by tenant that waits: steps of a picture
    std::set<std::string> waits;
    content_.ForEach([&](const StoredJob& one) {
      // A later leader's, which has come while this assignment was on its way.
      if (inserted_.at(one.job.id()) > term) return;
      double& most = largest[one.job.tenant()];
      most = std::max<double>(most, one.job.spec().steps());
      if (one.end_sequence == 0 && Waits(reign, one)) waits.insert(one.job.tenant());
    });
    for (const std::string& one : waits) {
      for (const std::string& other : waits) {
        if (reign.given[one] - reign.given[other] > largest[one] + largest[other]) {
          course_.Violated("a tenant gets more than its share");
        }
      }
    }
  }
  static bool Waits(const Reign& reign, const StoredJob& job) {
    const auto found = reign.taken.find(job.job.id());
    std::set<uint32_t> gone = found == reign.taken.end() ? std::set<uint32_t>() : found->second;
    for (const ImageMark& mark : job.images) gone.insert(mark.index);
    return gone.size() < job.job.spec().image_count();
  }

  Course& course_;
  const FakeStore& content_;
  std::map<std::string, Remembered> before_;
  std::map<std::string, uint64_t> inserted_;  // by job: in which term
  std::set<std::pair<std::string, uint32_t>> attempts_;
  std::set<std::tuple<std::string, uint32_t, std::string>> states_;  // job, picture, state
  std::map<uint64_t, Reign> reigns_;                                 // by term
};

}  // namespace mind::server::simulated

#endif  // MIND_TESTS_UNIT_SIMULATION_FRONTS_ACCOUNT_H_
