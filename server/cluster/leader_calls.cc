#include "server/cluster/leader_calls.h"

#include <chrono>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/cluster/front_authority.h"
#include "server/cluster/leader_seat.h"

namespace mind::server {
namespace {

constexpr absl::Duration kRetryAfter = absl::Seconds(2);

}  // namespace

LeaderCalls::LeaderCalls(Options options) : options_(std::move(options)), gate_(options_.post) {
  gate_.Open();
}

LeaderCalls::~LeaderCalls() {
  gate_.Close();
  for (const auto& [number, question] : questions_) {
    if (question.context != nullptr) question.context->TryCancel();
  }
}

absl::Status LeaderCalls::NoLeader() {
  return WithRetry(MakeError(absl::StatusCode::kUnavailable, "no server leads just now", "NO_LEADER"),
                   kRetryAfter);
}

bool LeaderCalls::IsLost(const absl::Status& status) {
  if (!absl::IsUnavailable(status) && !absl::IsCancelled(status)) return false;
  const auto info = GetErrorInfo(status);
  // Without details it is the connection that speaks.
  return !info || info->reason() == kNotLeading;
}

void LeaderCalls::Prepare(grpc::ClientContext& context, const LeaderLink& leader, const Caller& caller) {
  context.AddMetadata(kTermKey, absl::StrCat(leader.term));
  AddCaller(context, caller);
}

void LeaderCalls::Add(Question question) {
  if (!closed_.ok()) return question.fail(closed_);
  question.give_up = options_.steady_clock() + options_.patience;
  const uint64_t number = ++last_;
  questions_.emplace(number, std::move(question));
  Try(number);
}

void LeaderCalls::Try(uint64_t number) {
  Question& question = questions_.at(number);
  again_.Erase(number);
  if (leader_ == nullptr || question.context != nullptr) return;
  const auto context = std::make_shared<grpc::ClientContext>();
  Prepare(*context, *leader_, question.caller);
  const absl::Duration left = question.give_up - options_.steady_clock();
  context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(left));
  question.context = context;
  question.begin(*leader_, context, [this, number, context](const absl::Status& status) {
    return Ended(number, context.get(), status);
  });
}

bool LeaderCalls::Ended(uint64_t number, const grpc::ClientContext* context, const absl::Status& status) {
  const auto found = questions_.find(number);
  if (found == questions_.end()) return false;
  Question& question = found->second;
  if (status.ok()) {
    // It may be that of an earlier try: an answer all the same.
    if (question.context != nullptr && question.context.get() != context) question.context->TryCancel();
    questions_.erase(found);
    again_.Erase(number);
    return true;
  }
  if (question.context.get() != context) return false;
  question.context.reset();
  const absl::Duration now = options_.steady_clock();
  if (absl::IsDeadlineExceeded(status) && now >= question.give_up) {
    Fail(number, NoLeader());
  } else if (IsLost(status)) {
    again_.Set(number, now + options_.pause);
  } else {
    Fail(number, status);
  }
  return false;
}

void LeaderCalls::Fail(uint64_t number, const absl::Status& status) {
  again_.Erase(number);
  const auto question = questions_.extract(number);
  if (!question.empty()) question.mapped().fail(status);
}

void LeaderCalls::PointTo(LeaderLinkPtr leader) {
  leader_ = std::move(leader);
  std::vector<uint64_t> numbers;
  for (auto& [number, question] : questions_) {
    if (question.context != nullptr) question.context->TryCancel();
    question.context.reset();
    numbers.push_back(number);
  }
  for (const uint64_t number : numbers) {
    if (questions_.count(number) > 0) Try(number);
  }
}

void LeaderCalls::OnTick() {
  const absl::Duration now = options_.steady_clock();
  while (!questions_.empty() && now >= questions_.begin()->second.give_up) {
    const auto& [number, question] = *questions_.begin();
    if (question.context != nullptr) question.context->TryCancel();
    Fail(number, NoLeader());
  }
  for (const uint64_t number : again_.TakeDue(now)) {
    if (questions_.contains(number)) Try(number);
  }
}

void LeaderCalls::Close(const absl::Status& status) {
  closed_ = status;
  while (!questions_.empty()) {
    const auto& [number, question] = *questions_.begin();
    if (question.context != nullptr) question.context->TryCancel();
    Fail(number, status);
  }
}

}  // namespace mind::server
