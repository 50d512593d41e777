// What other fronts and workers reach on this one: the service that leads, while it does.
//
// A front leads for a while, and may lead again later with another service; those who call know one address.
// When the seat is left, whoever waits for an answer is told to ask elsewhere, watches end so, and so do the
// streams of workers.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_CLUSTER_LEADER_SEAT_H_
#define MIND_SERVER_CLUSTER_LEADER_SEAT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/generation/generation.h"
#include "server/generation/reception.h"
#include "server/generation/service.h"

namespace mind::server {

// ErrorInfo's reason where the front that was asked does not lead.
inline constexpr char kNotLeading[] = "NOT_LEADING";

class LeaderSeat : public Generation, public Reception {
 public:
  // It leads from now on. `service` stays until it is vacated. REQUIRES: it is vacant.
  void Take(GenerationService& service) { service_ = &service; }
  void Vacate();
  bool vacant() const { return service_ == nullptr; }

  // --- Generation.
  void Submit(Submission submission, const Caller& caller, const std::optional<CallTimes>& tied_to,
              Answer<v1::Job> answer) override;
  void Leave(const std::string& id, const CallTimes& call) override;
  void Get(const std::string& id, const Caller& caller, Answer<v1::Job> answer) override;
  void List(const v1::ListJobsRequest& request, const Caller& caller,
            Answer<v1::ListJobsResponse> answer) override;
  void Cancel(const std::string& id, const Caller& caller, const absl::Status& reason,
              Answer<v1::Job> answer) override;
  void Delete(const std::string& id, const Caller& caller, const absl::Status& reason,
              Answer<v1::Job> answer) override;
  void Check(Submission submission, const Caller& caller, Answer<v1::CreateJobResponse> answer) override;
  void GetImage(const std::string& id, uint32_t index, const Caller& caller,
                Answer<v1::GetImageResponse> answer) override;
  void Watch(const std::string& id, const WatchStart& start, const Caller& caller,
             std::function<void()> on_news, Answer<WatchId> answer) override;
  WatchNews Next(WatchId watch) override;
  void Unwatch(WatchId watch) override;
  void ListModels(Answer<v1::ListModelsResponse> answer) override;
  void GetModel(const std::string& name, Answer<v1::Model> answer) override;
  void ListSamplers(const std::string& model, Answer<v1::ListSamplersResponse> answer) override;
  void ListWorkers(Answer<v1::ListWorkersResponse> answer) override;
  void ListWork(Answer<internal::v1::ListWorkResponse> answer) override;
  void ListUsage(const v1::ListUsageRequest& request, Answer<v1::ListUsageResponse> answer) override;
  void ListSigningSecrets(Answer<std::vector<std::string>> answer) override;

  // --- Reception. What is said to a vacant seat nobody hears.
  absl::Status OnRegister(const std::shared_ptr<WorkerSession>& session,
                          const v1::Register& registration) override;
  void OnMessage(const WorkerSession* session, v1::ConnectRequest message) override;
  void OnClosed(const WorkerSession* session) override;
  void WhenReadable(const WorkerSession* session, std::function<void()> then) override;

  static absl::Status NotLeading();

 private:
  // Has `ask` done by the service, with an answer that comes in any case, and once.
  template <typename T, typename Ask>
  void Pass(Answer<T> answer, const Ask& ask);

  GenerationService* service_ = nullptr;  // null: vacant
  uint64_t last_ = 0;
  std::map<uint64_t, std::function<void(const absl::Status&)>> waiting_;  // for answers
  struct Watched {
    WatchId inner = 0;
    std::function<void()> on_news;
  };
  std::map<WatchId, Watched> watches_;  // of the service that leads
};

}  // namespace mind::server

#endif  // MIND_SERVER_CLUSTER_LEADER_SEAT_H_
