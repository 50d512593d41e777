#include "server/dispatch/active_job.h"

#include <algorithm>
#include <utility>

#include "proto/support/time.h"
#include "server/dispatch/offer.h"

namespace mind::server {

ActiveJob::ActiveJob(const v1::Job& accepted, double rows, double reference_megapixels,
                     const std::set<uint32_t>& images_done)
    : job(accepted),
      recovered_attempt_(accepted.attempt()),
      rows_(rows),
      reference_megapixels_(reference_megapixels),
      images_(accepted.spec().image_count()) {
  job.set_images_done(0);
  job.set_steps_done(0);
  for (const uint32_t index : images_done) {
    if (index < images_.size()) NoteDone(index);
  }
}

// --- Attempts.

uint32_t ActiveJob::BeginAttempt(const std::string& worker, const std::string& revision, absl::Time now) {
  const uint32_t number = job.attempt() + 1;
  job.set_attempt(number);
  job.set_state(v1::JOB_STATE_RUNNING);
  if (!job.has_start_time()) *job.mutable_start_time() = ToTimestamp(now);
  if (course_->revision.empty()) course_.Mutable().revision = revision;
  if (!troubles_->avoid.empty()) troubles_.Mutable().avoid.clear();
  course_.Mutable().attempts[number].worker = worker;
  return number;
}

void ActiveJob::Give(uint32_t index, uint32_t number) {
  Image& image = images_[index];
  Course& course = course_.Mutable();
  Attempt& attempt = course.attempts.at(number);
  image.attempt = number;
  image.begun = true;
  image.stepped = false;
  if (attempt.outstanding.empty()) ++course.alive;
  attempt.images.insert(index);
  attempt.outstanding.insert(index);
  attempt.resumed_steps += image.checkpoint_step;
}

void ActiveJob::GiveBack(uint32_t index) {
  Image& image = images_[index];
  Course& course = course_.Mutable();
  Attempt& attempt = course.attempts.at(image.attempt);
  image.attempt = 0;
  image.stepped = false;
  SetStep(image, image.checkpoint_step);
  attempt.gave_back = true;
  attempt.outstanding.erase(index);
  if (!attempt.outstanding.empty()) return;
  --course.alive;
  if (!running()) job.set_state(v1::JOB_STATE_QUEUED);
  ReviewRevision();
}

ActiveJob::Attempt* ActiveJob::FindHeld(const std::string& worker, const v1::ImageRef& ref) {
  const uint32_t index = ref.image_index();
  if (index >= images_.size() || ref.attempt() == 0 || images_[index].attempt != ref.attempt())
    return nullptr;
  Attempt& attempt = course_.Mutable().attempts.at(ref.attempt());
  return attempt.worker == worker ? &attempt : nullptr;
}

bool ActiveJob::MayBeOf(const std::string& from, const v1::ImageRef& ref) const {
  if (ref.image_index() >= images_.size() || ref.attempt() < 1) return false;
  if (ref.attempt() <= recovered_attempt_) return true;
  const auto attempt = attempts().find(ref.attempt());
  return attempt != attempts().end() && attempt->second.worker == from &&
         attempt->second.images.count(ref.image_index()) != 0;
}

bool ActiveJob::Wants(const std::string& from, const v1::ImageRef& ref) const {
  return MayBeOf(from, ref) && images_[ref.image_index()].waits();
}

// --- What is known of its pictures.

void ActiveJob::NoteProgress(uint32_t index, uint32_t step, uint32_t steps) {
  Image& image = images_[index];
  SetStep(image, std::min(step, steps_per_image()));
  image.stepped = steps > 0 && step >= steps;
}

void ActiveJob::NoteDone(uint32_t index) {
  Image& image = images_[index];
  if (image.attempt != 0) {
    Course& course = course_.Mutable();
    Attempt& attempt = course.attempts.at(image.attempt);
    attempt.outstanding.erase(index);
    if (attempt.outstanding.empty()) --course.alive;
    if (!running()) job.set_state(v1::JOB_STATE_QUEUED);
  }
  SetStep(image, steps_per_image());
  image = {.done = true, .begun = true, .step = image.step};
  job.set_images_done(job.images_done() + 1);
}

void ActiveJob::TakeCheckpoint(const std::string& from, const std::string& revision, const v1::ImageRef& ref,
                               uint32_t step, const std::string& data) {
  if (!MayBeOf(from, ref) || data.empty() || !IsNews(revision, ref.image_index(), step)) return;
  TakeKept(revision, ref.image_index(), step, std::make_shared<const std::string>(data));
}

void ActiveJob::TakeKept(const std::string& revision, uint32_t index, uint32_t step,
                         std::shared_ptr<const std::string> data) {
  if (!IsNews(revision, index, step)) return;
  Image& image = images_[index];
  image.checkpoint_step = step;
  image.checkpoint = std::move(data);
  if (image.attempt == 0) SetStep(image, step);
  if (course_->revision.empty()) course_.Mutable().revision = revision;
}

bool ActiveJob::IsNews(const std::string& revision, uint32_t index, uint32_t step) const {
  if (index >= images_.size() || step > steps_per_image() || !SameWeights(revision, course_->revision))
    return false;
  return !images_[index].done && step > images_[index].checkpoint_step;
}

void ActiveJob::DropCheckpoint(uint32_t index) {
  Image& image = images_[index];
  image.checkpoint_step = 0;
  image.checkpoint.reset();
  if (image.attempt == 0) SetStep(image, 0);
}

void ActiveJob::ForgetRevision() {
  for (uint32_t index = 0; index < images_.size(); ++index) {
    if (!images_[index].done) DropCheckpoint(index);
  }
  course_.Mutable().revision.clear();
}

void ActiveJob::ReviewRevision() {
  const bool kept = std::any_of(images_.begin(), images_.end(), [](const Image& image) {
    return image.done || image.attempt != 0 || image.checkpoint_step > 0;
  });
  if (!kept) course_.Mutable().revision.clear();
}

void ActiveJob::SetStep(Image& image, uint32_t step) {
  job.set_steps_done(job.steps_done() - image.step + step);
  image.step = step;
}

// --- What goes wrong.

void ActiveJob::NoteLoss(uint32_t number) {
  const std::set<uint32_t>& lost = attempts().at(number).outstanding;
  const bool decoding =
      std::any_of(lost.begin(), lost.end(), [this](uint32_t index) { return images_[index].stepped; });
  const uint32_t kept = Kept();
  Troubles& troubles = troubles_.Mutable();
  const bool further =
      job.images_done() > troubles.done_at_loss || (!decoding && kept > troubles.kept_at_loss);
  if (further) {
    troubles.losses = 1;
  } else if (number > troubles.attempt_at_loss) {
    ++troubles.losses;
  } else {
    return;
  }
  troubles.attempt_at_loss = job.attempt();
  troubles.kept_at_loss = std::max(troubles.kept_at_loss, kept);
  troubles.done_at_loss = job.images_done();
}

void ActiveJob::NoteFailure(const std::string& on, const absl::Status& error) {
  troubles_.Mutable().failed_on.insert(on);
  troubles_.Mutable().last_failure = error;
}

uint32_t ActiveJob::Kept() const {
  uint32_t kept = 0;
  for (const Image& image : images_) {
    kept += image.done ? steps_per_image()
                       : std::min(image.checkpoint_step, std::max<uint32_t>(steps_per_image(), 1) - 1);
  }
  return kept;
}

// --- Views.

absl::Time ActiveJob::Deadline() const {
  return job.has_deadline() ? FromTimestamp(job.deadline()) : absl::InfiniteFuture();
}

Work ActiveJob::WorkAfter(uint32_t step) const {
  const uint32_t left = steps_per_image() - std::min(step, steps_per_image());
  const double rows = RowsPerStep() * left;
  return {.rows = rows, .row_megapixels = rows * megapixels(), .steps = left};
}

uint32_t ActiveJob::NextWaiting() const {
  uint32_t fresh = 0;
  bool found = false;
  for (uint32_t index = 0; index < images_.size(); ++index) {
    if (!images_[index].waits()) continue;
    if (images_[index].begun) return index;
    if (!found) fresh = index;
    found = true;
  }
  return fresh;
}

int64_t ActiveJob::fresh() const {
  return std::count_if(images_.begin(), images_.end(),
                       [](const Image& image) { return image.waits() && !image.begun; });
}

JobQueue::Returned ActiveJob::returned() const {
  JobQueue::Returned returned;
  for (const Image& image : images_) {
    if (!image.waits() || !image.begun) continue;
    ++returned.pictures;
    returned.work += WorkAfter(image.checkpoint_step);
  }
  return returned;
}

}  // namespace mind::server
