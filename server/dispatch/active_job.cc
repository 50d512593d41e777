#include "server/dispatch/active_job.h"

#include <algorithm>

#include "proto/support/time.h"
#include "server/dispatch/offer.h"

namespace mind::server {

ActiveJob::ActiveJob(const v1::Job& accepted, double rows, const std::set<uint32_t>& images_done)
    : job(accepted),
      rows_(rows),
      images_(accepted.spec().image_count()),
      recovered_attempt_(accepted.attempt()) {
  if (job.has_deadline()) deadline = FromTimestamp(job.deadline());
  for (const uint32_t index : images_done) {
    if (index < images_.size()) NoteDone(index);
  }
  UpdateCounts();
}

void ActiveJob::BeginAttempt(const std::string& on, const std::string& revision, absl::Time now) {
  worker = on;
  revision_ = revision;
  start_reported = false;
  avoid.clear();
  passed_over = 0;
  outstanding.clear();
  job.set_attempt(job.attempt() + 1);
  job.set_state(v1::JOB_STATE_RUNNING);
  if (!job.has_start_time()) *job.mutable_start_time() = ToTimestamp(now);
  attempts_[job.attempt()] = on;
  for (uint32_t index = 0; index < images_.size(); ++index) {
    Image& image = images_[index];
    if (image.done) continue;
    if (!SameWeights(image.revision, revision)) image = Image();
    image.step = image.checkpoint_step;
    image.stepped = false;
    outstanding.insert(index);
  }
  UpdateCounts();
  steps_at_start = job.steps_done();
}

void ActiveJob::EndAttempt() {
  worker.clear();
  outstanding.clear();
  job.set_state(v1::JOB_STATE_QUEUED);
  for (Image& image : images_) {
    if (image.done) continue;
    image.step = image.checkpoint_step;
    image.stepped = false;
  }
  UpdateCounts();
}

bool ActiveJob::IsHeldBy(const std::string& by, const v1::ImageRef& image) const {
  return running() && worker == by && job.attempt() == image.attempt() &&
         outstanding.count(image.image_index()) != 0;
}

bool ActiveJob::MayBeOf(const std::string& from, const v1::ImageRef& image) const {
  if (image.image_index() >= images_.size() || image.attempt() < 1 || image.attempt() > job.attempt())
    return false;
  const auto attempt = attempts_.find(image.attempt());
  return attempt == attempts_.end() ? image.attempt() <= recovered_attempt_ : attempt->second == from;
}

bool ActiveJob::Wants(const std::string& from, const v1::ImageRef& image) const {
  return !running() && MayBeOf(from, image) && !images_[image.image_index()].done;
}

void ActiveJob::NoteProgress(uint32_t index, uint32_t step, uint32_t steps) {
  Image& image = images_[index];
  image.step = std::min(step, steps_per_image());
  image.stepped = steps > 0 && step >= steps;
  UpdateCounts();
}

void ActiveJob::NoteDone(uint32_t index) {
  images_[index] = {.done = true, .step = steps_per_image()};
  UpdateCounts();
}

void ActiveJob::TakeCheckpoint(const std::string& from, const std::string& revision, const v1::ImageRef& ref,
                               uint32_t step, const std::string& data) {
  if (!MayBeOf(from, ref) || data.empty() || step > steps_per_image()) return;
  if (running() && !SameWeights(revision, revision_)) return;
  Image& image = images_[ref.image_index()];
  if (image.done || step <= image.checkpoint_step) return;
  image.checkpoint_step = step;
  image.checkpoint = data;
  image.revision = revision;
}

void ActiveJob::NoteLoss() {
  const bool decoding = std::any_of(outstanding.begin(), outstanding.end(),
                                    [this](uint32_t index) { return images_[index].stepped; });
  const uint32_t kept = Kept();
  const bool further = job.images_done() > done_at_loss_ || (!decoding && kept > kept_at_loss_);
  losses_ = further ? 1 : losses_ + 1;
  kept_at_loss_ = std::max(kept_at_loss_, kept);
  done_at_loss_ = job.images_done();
}

void ActiveJob::NoteFailure(const std::string& on, const absl::Status& error) {
  failed_on_.insert(on);
  last_failure_ = error;
}

double ActiveJob::RemainingRows() const {
  return rows_ * (1 - static_cast<double>(job.steps_done()) / std::max<double>(job.steps_total(), 1));
}

uint32_t ActiveJob::Kept() const {
  uint32_t kept = 0;
  for (const Image& image : images_) {
    kept += image.done ? steps_per_image()
                       : std::min(image.checkpoint_step, std::max<uint32_t>(steps_per_image(), 1) - 1);
  }
  return kept;
}

void ActiveJob::UpdateCounts() {
  uint32_t done = 0, steps = 0;
  for (const Image& image : images_) {
    done += image.done ? 1 : 0;
    steps += image.step;
  }
  job.set_images_done(done);
  job.set_steps_done(steps);
}

}  // namespace mind::server
