// The service of the server that decides: what its faces call, and where its workers report.
//
// It owns the state and the parts that work on it (submissions, worker desk, decisions), and answers what is
// asked of jobs, models and workers. Everything runs on the server's loop: no locks, and no two things at
// once. Faces post to the loop and get their answers there.
#ifndef MIND_SERVER_GENERATION_SERVICE_H_
#define MIND_SERVER_GENERATION_SERVICE_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/generation/decisions.h"
#include "server/generation/generation.h"
#include "server/generation/kept_prices.h"
#include "server/generation/queue_news.h"
#include "server/generation/retention.h"
#include "server/generation/service_state.h"
#include "server/generation/signing_secrets.h"
#include "server/generation/submissions.h"
#include "server/generation/worker_desk.h"

namespace mind::server {

class GenerationService : public Generation {
 public:
  using Options = ServiceOptions;

  // `store` and `metrics` must outlive the service.
  GenerationService(const Options& options, JobStore& store, ServerMetrics& metrics);

  // Takes up the jobs of an earlier run. Call once, before anything else.
  absl::Status Recover();

  // --- Clients.

  void Submit(Submission submission, const Caller& caller, const std::optional<CallTimes>& tied_to,
              Answer<v1::Job> answer) override {
    submissions_.Submit(std::move(submission), caller, tied_to, std::move(answer));
  }
  void Leave(const std::string& id, const CallTimes& call) override { submissions_.Leave(id, call); }
  void Get(const std::string& id, const Caller& caller, Answer<v1::Job> answer) override;
  void List(const v1::ListJobsRequest& request, const Caller& caller,
            Answer<v1::ListJobsResponse> answer) override;
  void Cancel(const std::string& id, const Caller& caller, const absl::Status& reason,
              Answer<v1::Job> answer) override;
  void Delete(const std::string& id, const Caller& caller, const absl::Status& reason,
              Answer<v1::Job> answer) override;
  void Check(Submission submission, const Caller& caller, Answer<v1::CreateJobResponse> answer) override {
    answer(submissions_.Check(submission, caller));
  }
  void GetImage(const std::string& id, uint32_t index, const Caller& caller,
                Answer<v1::GetImageResponse> answer) override;
  void Watch(const std::string& id, const WatchStart& start, const Caller& caller,
             std::function<void()> on_news, Answer<WatchId> answer) override;
  WatchNews Next(WatchId watch) override { return state_.events.Next(watch); }
  void Unwatch(WatchId watch) override;
  void ListModels(Answer<v1::ListModelsResponse> answer) override;
  void GetModel(const std::string& name, Answer<v1::Model> answer) override;
  void ListSamplers(const std::string& model, Answer<v1::ListSamplersResponse> answer) override;
  void ListWorkers(Answer<v1::ListWorkersResponse> answer) override;
  void ListWork(Answer<internal::v1::ListWorkResponse> answer) override;
  void ListUsage(const v1::ListUsageRequest& request, Answer<v1::ListUsageResponse> answer) override;
  std::optional<Rate> WorkerSecondsOf(const std::string& tenant) override {
    return state_.quotas.WorkerSeconds(tenant, state_.options.limits_of(tenant),
                                       state_.options.steady_clock());
  }
  void ListSigningSecrets(Answer<std::vector<std::string>> answer) override {
    signing_secrets_.Give(std::move(answer));
  }

  // --- Workers.

  WorkerDesk& workers() { return worker_desk_; }

  // --- The process.

  void OnTick();
  // Whether new jobs are taken: not while the store cannot be written, nor when the server is going down.
  bool serving() const { return submissions_.admitting() && state_.ledger.reliable(); }
  // Called on the loop whenever serving() has changed; at once with what it is now.
  void OnServingChange(std::function<void(bool)> tell);
  // From now on new jobs are refused, and waiting ones are left for the next run.
  void StopAdmitting();
  // Ends all watches, of now and of later, and whoever waits for an answer. Calls that leave from now on have
  // not done so by themselves: their jobs are left for the next run.
  void CloseWatches();
  size_t running_jobs() const { return state_.dispatcher.running_jobs(); }
  // Whether more results may come in before what waits has been written.
  bool has_room() const { return state_.ledger.HasRoom(); }
  // Whether all that has been decided is durable.
  bool settled() const { return state_.ledger.settled(); }

 private:
  // A job that has ended durably, of this tenant.
  void FindEnded(const std::string& id, const Caller& caller, Answer<StoredJob> answer);
  // The job has a feed.
  WatchId BeginWatch(const std::string& id, const WatchStart& start, std::function<void()> on_news);
  // Cancels it if it has not ended. `then` is told when that is durable.
  void EndFor(const std::string& id, const absl::Status& reason,
              std::function<void(const absl::Status& written)> then);
  void AnswerCancelled(const std::string& id, const Caller& caller, const Answer<v1::Job>& answer);
  void TellServing();

  ServiceState state_;
  Decisions decisions_;
  Submissions submissions_;
  WorkerDesk worker_desk_;
  std::map<WatchId, std::pair<std::string, std::string>> front_watches_;  // job, front
  SigningSecrets signing_secrets_;
  QueueNews queue_news_;
  KeptPrices kept_prices_;
  Retention retention_;
  std::function<void(bool)> tell_serving_;
  bool told_serving_ = false;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_SERVICE_H_
