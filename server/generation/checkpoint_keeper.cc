#include "server/generation/checkpoint_keeper.h"

#include <utility>

#include "proto/support/logging.h"

namespace mind::server {
namespace {

// Written at a time; a larger state goes alone.
constexpr size_t kBytesAtOnce = 4 << 20;
// Larger ones are not kept: a start reads all that there are.
constexpr size_t kLargest = 8 << 20;
// Between a write that has failed and the next.
constexpr absl::Duration kRetryPause = absl::Seconds(5);

}  // namespace

void CheckpointKeeper::TakeUp(const Moment& now) {
  if (store_ == nullptr) return;
  int64_t pictures = 0;
  const absl::Status status = store_->ForEach([&](StoredCheckpoint one) {
    dispatcher_.TakeKept(one.job_id, one.image_index, one.step, one.revision, std::move(one.data), now);
    kept_[one.job_id][one.image_index] = {.step = one.step, .may_be_next = now.steady + options_.interval};
    ++pictures;
  });
  if (!status.ok()) {
    LogWarning("cannot read states of pictures: they begin anew, or as their workers have them",
               {{"error", std::string(status.message())}});
  } else if (pictures > 0) {
    LogInfo("took up states of pictures of an earlier run", {{"pictures", pictures}});
  }
}

void CheckpointKeeper::Note(const v1::ImageRef& image) {
  if (store_ == nullptr || options_.interval == absl::InfiniteDuration()) return;
  const ActiveJob* const job = dispatcher_.FindActive(image.job_id());
  const uint32_t index = image.image_index();
  if (job == nullptr || index >= job->images().size() || job->images()[index].checkpoint == nullptr) return;
  const auto [entry, first] = kept_[image.job_id()].try_emplace(index);
  Kept& kept = entry->second;
  if (first) kept.may_be_next = options_.steady_clock() + options_.interval;
  if (kept.waits) return;
  kept.waits = true;
  waiting_.emplace(kept.may_be_next, image.job_id(), index);
}

void CheckpointKeeper::OnEnded(const std::string& job_id) {
  const auto ended = kept_.extract(job_id);
  if (ended.empty()) return;
  bool written = false;
  for (const auto& [index, kept] : ended.mapped()) {
    if (kept.waits) waiting_.erase({kept.may_be_next, job_id, index});
    written = written || kept.step > 0;
  }
  if (written) store_->Forget({job_id});
}

void CheckpointKeeper::OnTick() {
  if (!writing_ && options_.steady_clock() >= not_before_) Write();
}

void CheckpointKeeper::Write() {
  const absl::Duration now = options_.steady_clock();
  std::vector<StoredCheckpoint> together;
  size_t bytes = 0;
  while (!waiting_.empty() && std::get<absl::Duration>(*waiting_.begin()) <= now) {
    const auto& [due, id, index] = *waiting_.begin();
    Kept& kept = kept_.at(id).at(index);
    const ActiveJob* const job = dispatcher_.FindActive(id);
    const ActiveJob::Image* const image = job == nullptr ? nullptr : &job->images()[index];
    if (image != nullptr && !image->done && image->checkpoint != nullptr &&
        image->checkpoint->size() <= kLargest && image->checkpoint_step != kept.step) {
      if (!together.empty() && bytes + image->checkpoint->size() > kBytesAtOnce) break;
      bytes += image->checkpoint->size();
      kept.step = image->checkpoint_step;
      together.push_back({.job_id = id,
                          .image_index = index,
                          .attempt = job->job.attempt(),
                          .step = image->checkpoint_step,
                          .revision = job->revision(),
                          .data = image->checkpoint});
    }
    kept.waits = false;
    kept.may_be_next = now + options_.interval;
    waiting_.erase(waiting_.begin());
  }
  if (together.empty()) return;
  writing_ = true;
  store_->Save(std::move(together), [this, post = options_.post](const absl::Status& status) {
    post([this, status] { OnWritten(status); });
  });
}

void CheckpointKeeper::OnWritten(const absl::Status& status) {
  writing_ = false;
  if (std::exchange(failing_, !status.ok()) != failing_) {
    failing_ ? LogWarning("cannot keep states of pictures", {{"error", std::string(status.message())}})
             : LogInfo("keeps states of pictures again");
  }
  if (failing_) not_before_ = options_.steady_clock() + kRetryPause;
}

}  // namespace mind::server
