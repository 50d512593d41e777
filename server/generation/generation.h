// What clients can ask of the server, whatever face they ask through: gRPC, and others beside it.
//
// Called on the server's loop. Nothing waits: answers come by callback, on the loop, during the call or
// later. What has been answered is durable.
#ifndef MIND_SERVER_GENERATION_GENERATION_H_
#define MIND_SERVER_GENERATION_GENERATION_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/internal/v1/cluster.pb.h"
#include "mind/v1/generation.pb.h"
#include "server/generation/event_source.h"
#include "server/generation/submission.h"
#include "server/generation/validate.h"
#include "server/store/job_reader.h"
#include "server/trust/rate.h"

namespace mind::server {

// When a call came, and when it will be cut off.
struct CallTimes {
  absl::Time started;
  absl::Time deadline = absl::InfiniteFuture();
  // The other front that the call has come to; empty: this process. When a front is lost so are its calls.
  std::string front = {};
};

// Where a watch begins, and for whom it is.
struct WatchStart {
  // Another front, on behalf of those who watch there. It reads pictures out of the store itself: it is told
  // that they are there, without their bytes.
  struct Front {
    std::string name;
    int tied_calls = 0;  // of its own, that the job is tied to
  };

  uint64_t after_sequence = 0;
  std::optional<Front> front = {};
};

// Why a job ends that somebody cancels.
absl::Status CancelledByRequest(const std::string& id);

class Generation {
 public:
  template <typename T>
  using Answer = std::function<void(absl::StatusOr<T>)>;

  virtual ~Generation() = default;

  // A job that lives by itself (CreateJob), or one that is tied to the call that asks for it (GenerateImage):
  // that call has to Leave it once if it got it, and without a deadline of its own the job gets the call's.
  virtual void Submit(Submission submission, const Caller& caller, const std::optional<CallTimes>& tied_to,
                      Answer<v1::Job> answer) = 0;
  // The call no longer wants the job, or can no longer have it. The last one takes the job along.
  virtual void Leave(const std::string& id, const CallTimes& call) = 0;

  virtual void Get(const std::string& id, const Caller& caller, Answer<v1::Job> answer) = 0;
  virtual void List(const v1::ListJobsRequest& request, const Caller& caller,
                    Answer<v1::ListJobsResponse> answer) = 0;
  virtual void Cancel(const std::string& id, const Caller& caller, const absl::Status& reason,
                      Answer<v1::Job> answer) = 0;
  // Forgets a job with its pictures, having cancelled it with this reason if it had not ended. Gives it as it
  // ended.
  virtual void Delete(const std::string& id, const Caller& caller, const absl::Status& reason,
                      Answer<v1::Job> answer) = 0;
  // What Submit would say, and what the job would cost; nothing is made.
  virtual void Check(Submission submission, const Caller& caller, Answer<v1::CreateJobResponse> answer) = 0;

  // A finished picture. NOT_FOUND: there is no such job, or it has no picture of that number.
  // FAILED_PRECONDITION: that is not made yet, or will not be.
  virtual void GetImage(const std::string& id, uint32_t index, const Caller& caller,
                        Answer<v1::GetImageResponse> answer) = 0;

  // `on_news` is called when Next may have something. Who gets a watch has to Unwatch it.
  virtual void Watch(const std::string& id, const WatchStart& start, const Caller& caller,
                     std::function<void()> on_news, Answer<WatchId> answer) = 0;
  virtual WatchNews Next(WatchId watch) = 0;
  virtual void Unwatch(WatchId watch) = 0;

  virtual void ListModels(Answer<v1::ListModelsResponse> answer) = 0;
  virtual void GetModel(const std::string& name, Answer<v1::Model> answer) = 0;
  virtual void ListSamplers(const std::string& model, Answer<v1::ListSamplersResponse> answer) = 0;
  virtual void ListWorkers(Answer<v1::ListWorkersResponse> answer) = 0;
  // What is still to be done, for what scales workers.
  virtual void ListWork(Answer<internal::v1::ListWorkResponse> answer) = 0;
  virtual void ListUsage(const v1::ListUsageRequest& request, Answer<v1::ListUsageResponse> answer) = 0;

  // How a tenant stands with workers' time, as of before what it asks for now; nothing where that is not
  // limited, or is counted elsewhere, by the server that leads.
  virtual std::optional<Rate> WorkerSecondsOf(const std::string&) { return std::nullopt; }

  // What a face signs with, newest first, and what it accepts: shared by all that have one store, replaced by
  // a new one every day. What has been signed is good for a day at least.
  virtual void ListSigningSecrets(Answer<std::vector<std::string>> answer) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_GENERATION_H_
