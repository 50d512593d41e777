#include "server/generation/ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/store/term_store.h"

namespace mind::server {
namespace {

// When who was refused shall ask again.
constexpr absl::Duration kRetryWhenClosed = absl::Seconds(5);

v1::Job NotEnded(v1::Job job) {
  job.set_state(job.has_start_time() ? v1::JOB_STATE_RUNNING : v1::JOB_STATE_QUEUED);
  job.clear_end_time();
  job.clear_error();
  return job;
}

}  // namespace

Ledger::Ledger(Options options, JobStore& store, Post post)
    : options_(std::move(options)), store_(store), post_(std::move(post)) {}

// --- What is to be written, and what waits for it.

void Ledger::Write(StoreWrite write) {
  if (batches_.empty() || batches_.back().begun || batches_.back().bytes >= options_.batch_bytes) {
    batches_.emplace_back();
  }
  Batch& open = batches_.back();
  const size_t bytes = BytesOf(write);
  open.writes->push_back(std::move(write));
  open.bytes += bytes;
  bytes_ += bytes;
  if (reliable()) BeginSoon();
}

void Ledger::WhenDurable(std::function<void()> then) {
  if (batches_.empty()) return then();
  batches_.back().held.push_back({.run = [then = std::move(then)](const absl::Status&) { then(); }});
}

void Ledger::Answer(std::function<void(const absl::Status&)> answer) {
  if (batches_.empty()) return answer(absl::OkStatus());
  batches_.back().held.push_back({.run = std::move(answer), .answer = true});
  if (!reliable()) BeginSoon();  // somebody waits for it: not only when its time has come
}

void Ledger::End(const v1::Job& job, uint64_t sequence, std::function<void()> told) {
  const std::string& id = job.id();
  endings_[id] = NotEnded(job);
  Write(EndJob{job, sequence});
  WhenDurable([this, id, told = std::move(told)] {
    endings_.erase(id);
    told();
  });
}

const v1::Job* Ledger::FindEnding(const std::string& id) const {
  const auto found = endings_.find(id);
  return found == endings_.end() ? nullptr : &found->second;
}

void Ledger::Forget(const std::string& id) {
  forgotten_.insert(id);
  Write(ForgetJob{id});
  WhenDurable([this, id] { forgotten_.erase(id); });
}

void Ledger::WhenRoom(std::function<void()> then) {
  if (HasRoom()) return then();
  waiting_for_room_.push_back(std::move(then));
}

// --- Writing.

void Ledger::BeginSoon() {
  if (beginning_ || writing_) return;
  beginning_ = true;
  post_([this] {
    beginning_ = false;
    Begin();
  });
}

void Ledger::Begin() {
  if (writing_ || broken_ || batches_.empty()) return;
  writing_ = true;
  batches_.front().begun = true;
  store_.Commit(batches_.front().writes, [this, post = post_](const absl::Status& status) {
    post([this, status] { Written(status); });
  });
}

void Ledger::Written(const absl::Status& status) {
  writing_ = false;
  status.ok() ? Succeed() : Fail(status);
}

void Ledger::Succeed() {
  refusals_ = 0;
  const Batch written = std::move(batches_.front());
  batches_.pop_front();
  bytes_ -= written.bytes;
  if (!batches_.empty()) BeginSoon();
  if (!std::exchange(failure_, absl::OkStatus()).ok()) {
    retry_pause_ = absl::ZeroDuration();
    LogInfo("the job store can be written again", {{"batches_to_write", batches_.size()}});
    changed_();
  }
  for (const Held& held : written.held) held.run(absl::OkStatus());
  if (!HasRoom()) return;
  for (const std::function<void()>& then : std::exchange(waiting_for_room_, {})) then();
}

void Ledger::Fail(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  if (info && info->reason() == kTermOver) return options_.term_over();
  const bool news = reliable();
  failure_ = status;
  retry_pause_ = std::clamp(2 * retry_pause_, options_.first_retry, options_.longest_retry);
  retry_at_ = options_.steady_clock() + retry_pause_;
  if (news) {
    LogError("the job store cannot be written", {{"error", std::string(status.message())}});
    changed_();
  }
  Dismiss(Unavailable());
  refusals_ = absl::IsUnavailable(status) ? 0 : refusals_ + 1;
  if (refusals_ < options_.tries) return;
  broken_ = true;
  LogError("the job store refuses what it is to write, again and again: it is given up",
           {{"tries", refusals_}, {"error", std::string(status.message())}});
  options_.broken(status);
}

absl::Status Ledger::Unavailable() const {
  return WithRetry(MakeError(absl::StatusCode::kUnavailable,
                             absl::StrCat("the server cannot write to its store: ", failure_.message()),
                             "STORE_UNAVAILABLE"),
                   kRetryWhenClosed);
}

void Ledger::Dismiss(const absl::Status& status) {
  std::vector<Held> answers;
  for (Batch& batch : batches_) {
    const auto others = std::stable_partition(batch.held.begin(), batch.held.end(),
                                              [](const Held& held) { return !held.answer; });
    std::move(others, batch.held.end(), std::back_inserter(answers));
    batch.held.erase(others, batch.held.end());
  }
  for (const Held& answer : answers) answer.run(status);
}

void Ledger::OnTick() {
  if (!reliable() && !broken_ && options_.steady_clock() >= retry_at_) Begin();
}

}  // namespace mind::server
