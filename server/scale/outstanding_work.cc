#include "server/scale/outstanding_work.h"

#include <utility>

#include "proto/support/errors.h"

namespace mind::server {

void OutstandingWork::Ask(Answer answer) {
  waiting_.push_back({options_.steady_clock() + options_.patience, std::move(answer)});
  if (std::exchange(asking_, true)) return;
  generation_.ListWork(
      [this, here = std::weak_ptr<const void>(here_)](absl::StatusOr<internal::v1::ListWorkResponse> work) {
        if (!here.expired()) OnAnswer(std::move(work));
      });
}

void OutstandingWork::OnAnswer(absl::StatusOr<internal::v1::ListWorkResponse> work) {
  asking_ = false;
  if (work.ok()) {
    last_ = std::make_shared<const internal::v1::ListWorkResponse>(*std::move(work));
    heard_ = options_.steady_clock();
  }
  const absl::StatusOr<Known> last = Last();
  for (const Waiting& each : std::exchange(waiting_, {})) each.answer(last);
}

void OutstandingWork::OnTick() {
  const absl::Duration now = options_.steady_clock();
  while (!waiting_.empty() && waiting_.front().give_up <= now) {
    const Answer answer = std::move(waiting_.front().answer);
    waiting_.pop_front();
    answer(Last());
  }
}

absl::StatusOr<OutstandingWork::Known> OutstandingWork::Last() const {
  if (last_ != nullptr && options_.steady_clock() - heard_ <= options_.memory) return last_;
  return WithRetry(MakeError(absl::StatusCode::kUnavailable,
                             "no server has said lately how much work there is", "WORK_UNKNOWN"),
                   absl::Seconds(1));
}

}  // namespace mind::server
