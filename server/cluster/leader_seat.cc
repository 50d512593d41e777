#include "server/cluster/leader_seat.h"

#include <utility>

#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr absl::Duration kSeatRetry = absl::Seconds(1);

}  // namespace

absl::Status LeaderSeat::NotLeading() {
  return WithRetry(MakeError(absl::StatusCode::kUnavailable, "this front does not lead", kNotLeading),
                   kSeatRetry);
}

void LeaderSeat::Vacate() {
  if (service_ == nullptr) return;
  GenerationService& left = *std::exchange(service_, nullptr);
  left.workers().CloseAll(NotLeading());
  for (const auto& [number, tell] : std::exchange(waiting_, {})) tell(NotLeading());
  for (const auto& [watch, watched] : std::exchange(watches_, {})) watched.on_news();
}

template <typename T, typename Ask>
void LeaderSeat::Pass(Answer<T> answer, const Ask& ask) {
  if (service_ == nullptr) return answer(NotLeading());
  const uint64_t number = ++last_;
  waiting_[number] = [answer](const absl::Status& status) { answer(status); };
  ask(*service_, [this, number, answer = std::move(answer)](absl::StatusOr<T> given) {
    if (waiting_.erase(number) > 0) answer(std::move(given));
  });
}

// --- Jobs.

void LeaderSeat::Submit(Submission submission, const Caller& caller, const std::optional<CallTimes>& tied_to,
                        Answer<v1::Job> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::Job> then) {
    service.Submit(std::move(submission), caller, tied_to, std::move(then));
  });
}

void LeaderSeat::Leave(const std::string& id, const CallTimes& call) {
  if (service_ != nullptr) service_->Leave(id, call);
}

void LeaderSeat::Get(const std::string& id, const Caller& caller, Answer<v1::Job> answer) {
  Pass(std::move(answer),
       [&](GenerationService& service, Answer<v1::Job> then) { service.Get(id, caller, std::move(then)); });
}

void LeaderSeat::List(const v1::ListJobsRequest& request, const Caller& caller,
                      Answer<v1::ListJobsResponse> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::ListJobsResponse> then) {
    service.List(request, caller, std::move(then));
  });
}

void LeaderSeat::Cancel(const std::string& id, const Caller& caller, const absl::Status& reason,
                        Answer<v1::Job> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::Job> then) {
    service.Cancel(id, caller, reason, std::move(then));
  });
}

void LeaderSeat::Delete(const std::string& id, const Caller& caller, const absl::Status& reason,
                        Answer<v1::Job> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::Job> then) {
    service.Delete(id, caller, reason, std::move(then));
  });
}

void LeaderSeat::Check(Submission submission, const Caller& caller, Answer<v1::CreateJobResponse> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::CreateJobResponse> then) {
    service.Check(std::move(submission), caller, std::move(then));
  });
}

void LeaderSeat::GetImage(const std::string& id, uint32_t index, const Caller& caller,
                          Answer<v1::GetImageResponse> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::GetImageResponse> then) {
    service.GetImage(id, index, caller, std::move(then));
  });
}

void LeaderSeat::Watch(const std::string& id, const WatchStart& start, const Caller& caller,
                       std::function<void()> on_news, Answer<WatchId> answer) {
  const Answer<WatchId> begun = [this, on_news,
                                 answer = std::move(answer)](const absl::StatusOr<WatchId>& inner) {
    if (!inner.ok()) return answer(inner.status());
    const WatchId watch = ++last_;
    watches_[watch] = {.inner = *inner, .on_news = on_news};
    answer(watch);
  };
  Pass(begun, [&](GenerationService& service, Answer<WatchId> then) {
    service.Watch(id, start, caller, on_news, std::move(then));
  });
}

WatchNews LeaderSeat::Next(WatchId watch) {
  const auto found = watches_.find(watch);
  if (found == watches_.end()) return {.end = NotLeading()};
  return service_->Next(found->second.inner);
}

void LeaderSeat::Unwatch(WatchId watch) {
  const auto found = watches_.extract(watch);
  if (!found.empty()) service_->Unwatch(found.mapped().inner);
}

// --- Models and workers.

void LeaderSeat::ListModels(Answer<v1::ListModelsResponse> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::ListModelsResponse> then) {
    service.ListModels(std::move(then));
  });
}

void LeaderSeat::GetModel(const std::string& name, Answer<v1::Model> answer) {
  Pass(std::move(answer),
       [&](GenerationService& service, Answer<v1::Model> then) { service.GetModel(name, std::move(then)); });
}

void LeaderSeat::ListSamplers(const std::string& model, Answer<v1::ListSamplersResponse> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::ListSamplersResponse> then) {
    service.ListSamplers(model, std::move(then));
  });
}

void LeaderSeat::ListWorkers(Answer<v1::ListWorkersResponse> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::ListWorkersResponse> then) {
    service.ListWorkers(std::move(then));
  });
}

void LeaderSeat::ListWork(Answer<internal::v1::ListWorkResponse> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<internal::v1::ListWorkResponse> then) {
    service.ListWork(std::move(then));
  });
}

void LeaderSeat::ListUsage(const v1::ListUsageRequest& request, Answer<v1::ListUsageResponse> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<v1::ListUsageResponse> then) {
    service.ListUsage(request, std::move(then));
  });
}

void LeaderSeat::ListSigningSecrets(Answer<std::vector<std::string>> answer) {
  Pass(std::move(answer), [&](GenerationService& service, Answer<std::vector<std::string>> then) {
    service.ListSigningSecrets(std::move(then));
  });
}

// --- Workers.

absl::Status LeaderSeat::OnRegister(const std::shared_ptr<WorkerSession>& session,
                                    const v1::Register& registration) {
  return service_ == nullptr ? NotLeading() : service_->workers().OnRegister(session, registration);
}

void LeaderSeat::OnMessage(const WorkerSession* session, v1::ConnectRequest message) {
  if (service_ != nullptr) service_->workers().OnMessage(session, std::move(message));
}

void LeaderSeat::OnClosed(const WorkerSession* session) {
  if (service_ != nullptr) service_->workers().OnClosed(session);
}

void LeaderSeat::WhenReadable(const WorkerSession* session, std::function<void()> then) {
  service_ == nullptr ? then() : service_->workers().WhenReadable(session, std::move(then));
}

}  // namespace mind::server
