// The application: what both faces of the server (gRPC now, HTTP beside it) call, and what workers report to.
//
// It owns the pure state (dispatcher, feeds, ties, catalog), writes through the ledger what the store has to
// hold, and carries the dispatcher's actions out. Everything runs on the server's loop: no locks, and no two
// things at once. Faces post to the loop and get their answers there.
#ifndef MIND_SERVER_GENERATION_SERVICE_H_
#define MIND_SERVER_GENERATION_SERVICE_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/random/random.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/generation.pb.h"
#include "mind/v1/worker.pb.h"
#include "server/dispatch/dispatcher.h"
#include "server/generation/event_source.h"
#include "server/generation/job_ties.h"
#include "server/generation/ledger.h"
#include "server/generation/metrics.h"
#include "server/generation/model_catalog.h"
#include "server/generation/validate.h"
#include "server/store/job_store.h"

namespace mind::server {

// The stream to one worker, as the service uses it. Called on the loop; must not block.
class WorkerSession {
 public:
  virtual ~WorkerSession() = default;
  virtual void Send(v1::ConnectResponse message) = 0;
  // Ends the stream with this status.
  virtual void Close(const absl::Status& status) = 0;
};

// When a call came, and when it will be cut off.
struct CallTimes {
  absl::Time started;
  absl::Time deadline = absl::InfiniteFuture();
};

class GenerationService {
 public:
  struct Options {
    Dispatcher::Options dispatcher;
    RequestLimits limits;
    // Waiting jobs; one more is refused.
    size_t max_queue = 1000;
    // A job that would wait longer than this, as estimated, is refused.
    absl::Duration max_wait = absl::Hours(1);
    // How long ended jobs and their pictures are kept.
    absl::Duration keep = absl::Hours(24);
    // How long after a restart a job that was tied to a call waits to be asked for.
    absl::Duration orphan_patience = absl::Seconds(30);
    // A request that names no model does not mean one that nobody has served for longer.
    absl::Duration model_memory = absl::Hours(1);
    std::function<absl::Time()> clock;  // REQUIRES: set
    // For leases and limits: never jumps, whatever becomes of `clock`.
    std::function<absl::Duration()> steady_clock = SteadyNow;
  };

  // `store` and `metrics` must outlive the service.
  GenerationService(const Options& options, JobStore& store, ServerMetrics& metrics);

  // Takes up the jobs of an earlier run. Call once, before anything else.
  absl::Status Recover();

  // --- Clients.

  // A job that lives by itself (CreateJob).
  absl::StatusOr<v1::Job> Submit(const v1::JobRequest& request, const Caller& caller) {
    return Accept(request, caller, nullptr);
  }
  // A job tied to the call that asks for it (GenerateImage), which has to Leave it once. Without a deadline
  // of its own it gets the call's.
  absl::StatusOr<v1::Job> SubmitTied(const v1::JobRequest& request, const Caller& caller,
                                     const CallTimes& call) {
    return Accept(request, caller, &call);
  }
  // The call no longer wants the job, or can no longer have it. The last one takes the job along.
  void Leave(const std::string& id, const CallTimes& call);

  absl::StatusOr<v1::Job> Get(const std::string& id, const Caller& caller);
  absl::StatusOr<v1::ListJobsResponse> List(const v1::ListJobsRequest& request, const Caller& caller);
  absl::StatusOr<v1::Job> Cancel(const std::string& id, const Caller& caller, const absl::Status& reason);

  // `on_news` is called when Next may have something.
  absl::StatusOr<WatchId> Watch(const std::string& id, uint64_t after_sequence, const Caller& caller,
                                const std::function<void()>& on_news);
  WatchNews Next(WatchId watch) { return events_.Next(watch); }
  void Unwatch(WatchId watch) { events_.Unwatch(watch); }

  v1::ListModelsResponse ListModels() const;
  absl::StatusOr<v1::Model> GetModel(const std::string& name) const;
  absl::StatusOr<v1::ListSamplersResponse> ListSamplers(const std::string& model) const;
  v1::ListWorkersResponse ListWorkers() const;

  // --- Workers.

  // The first message of a stream. On error the stream is to be closed with it.
  absl::Status OnRegister(const std::shared_ptr<WorkerSession>& session, const v1::Register& registration);
  void OnWorkerMessage(const WorkerSession* session, v1::ConnectRequest message);
  void OnWorkerClosed(const WorkerSession* session);

  // --- The process.

  void OnTick();
  // Whether new jobs are taken: not while the store cannot be written, nor when the server is going down.
  bool serving() const { return admitting_ && ledger_.reliable(); }
  // Called on the loop whenever serving() has changed; at once with what it is now.
  void OnServingChange(std::function<void(bool)> tell);
  // From now on new jobs are refused, and waiting ones are left for the next run.
  void StopAdmitting();
  // Ends all watches, of now and of later. Calls that leave from now on have not done so by themselves: their
  // jobs are left for the next run.
  void CloseWatches();
  size_t running_jobs() const { return dispatcher_.running_jobs(); }
  ServerMetrics& metrics() { return metrics_; }

 private:
  absl::Time Now() const { return options_.clock(); }
  Moment Present() const { return {options_.clock(), options_.steady_clock()}; }
  absl::StatusOr<v1::Job> Accept(const v1::JobRequest& request, const Caller& caller, const CallTimes* call);
  // The job that the same request has made before, if that still counts; `key` is completed with what a new
  // one is to be stored under.
  absl::StatusOr<std::optional<v1::Job>> FindEarlier(const v1::JobRequest& request, const Caller& caller,
                                                     bool tied, RequestKey& key);
  // Whether there is room for one more job of this model and priority.
  absl::Status Admit(const std::string& model, int priority) const;
  void CarryOut(const Actions& actions);
  void OnEnded(const v1::Job& job);
  // The job's end is on the disk.
  void TellEnded(const v1::Job& job, uint64_t sequence);
  v1::JobEvent QueuedEvent(const v1::Job& job) const;
  // Of a picture that the worker holds.
  void PublishProgress(const v1::ImageProgress& progress);
  void PublishPreview(v1::ImagePreview preview);
  // Makes a failure of a result that is not what was asked for.
  void RefuseBadResult(const std::string& worker, v1::ConnectRequest& message) const;
  // Stores and publishes a picture that counts. False: it could not be stored.
  bool AcceptImage(const std::string& worker, const v1::ImageResult& result);
  // As the outside sees it.
  absl::StatusOr<StoredJob> FindAny(const std::string& id, const Caller& caller);
  // What has not been written yet, and cannot be promised.
  absl::Status StoreUnavailable() const;
  void RetryWrites();
  void TellServing();
  std::string NewJobId();

  const Options options_;
  JobStore& store_;
  ServerMetrics& metrics_;
  Dispatcher dispatcher_;
  EventSource events_;
  Ledger ledger_;
  JobTies ties_;
  ModelCatalog catalog_;
  std::map<std::string, std::shared_ptr<WorkerSession>> sessions_;  // by worker name
  std::map<const WorkerSession*, std::string> worker_names_;
  std::set<std::string> previewed_;  // running jobs that have shown a preview
  absl::Time next_purge_ = absl::InfinitePast();
  absl::BitGen random_;
  bool admitting_ = true;
  bool closed_ = false;  // CloseWatches
  std::function<void(bool)> tell_serving_;
  bool told_serving_ = false;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_SERVICE_H_
