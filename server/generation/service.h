// The application: what both faces of the server (gRPC now, HTTP beside it) call, and what workers report to.
//
// It owns the pure state (dispatcher, feeds) and the store, and carries the dispatcher's actions out.
// Everything runs on the server's loop: no locks, and no two things at once. Faces post to the loop and get
// their answers there.
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
#include "server/generation/job_feed.h"
#include "server/generation/metrics.h"
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
    std::function<absl::Time()> clock;  // REQUIRES: set
    // For leases and limits: never jumps, whatever becomes of `clock`.
    std::function<absl::Duration()> steady_clock = SteadyNow;
  };

  // `store` and `metrics` must outlive the service.
  GenerationService(const Options& options, JobStore& store, ServerMetrics& metrics);

  // Takes up the jobs of an earlier run. Call once, before anything else.
  absl::Status Recover();

  // --- Clients.

  absl::StatusOr<v1::Job> Submit(const v1::JobRequest& request, const Caller& caller);
  absl::StatusOr<v1::Job> Get(const std::string& id, const Caller& caller);
  absl::StatusOr<v1::ListJobsResponse> List(const v1::ListJobsRequest& request, const Caller& caller);
  absl::StatusOr<v1::Job> Cancel(const std::string& id, const Caller& caller, const absl::Status& reason);

  absl::StatusOr<WatchId> Watch(const std::string& id, uint64_t after_sequence, const Caller& caller,
                                std::function<void()> on_news);
  // The watcher's next events, in parts that fit a message; empty if there is none now.
  std::vector<v1::JobEvent> NextEvents(WatchId watch);
  void Unwatch(WatchId watch);

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
  // From now on new jobs are refused.
  void StopAdmitting() { admitting_ = false; }
  bool admitting() const { return admitting_; }
  size_t running_jobs() const { return dispatcher_.running_jobs(); }
  size_t watchers() const { return feeds_.watchers(); }

 private:
  absl::Time Now() const { return options_.clock(); }
  Moment Present() const { return {options_.clock(), options_.steady_clock()}; }
  // Whether there is room for one more job.
  absl::Status Admit() const;
  void CarryOut(const Actions& actions);
  void OnEnded(const v1::Job& job);
  void PublishQueued(const v1::Job& job);
  void PublishProgress(const v1::ImageProgress& progress);
  // Stores and publishes a picture that counts. False: it could not be stored, and its job has been failed
  // for it.
  bool AcceptImage(const std::string& worker, const v1::ImageResult& result);
  void Persist(const absl::Status& status, const std::string& what, const std::string& job_id);
  // A job as the outside sees it: without what only the worker needs.
  static v1::Job Public(const v1::Job& job);
  // As the outside sees it.
  absl::StatusOr<v1::Job> FindAny(const std::string& id, const Caller& caller);
  void RebuildFeed(const v1::Job& job);
  std::string NewJobId();

  const Options options_;
  JobStore& store_;
  ServerMetrics& metrics_;
  Dispatcher dispatcher_;
  JobFeeds feeds_;
  Models models_;
  std::map<std::string, std::shared_ptr<WorkerSession>> sessions_;  // by worker name
  std::map<const WorkerSession*, std::string> worker_names_;
  std::set<std::string> previewed_;  // running jobs that have shown a preview
  absl::Time next_purge_ = absl::InfinitePast();
  absl::BitGen random_;
  bool admitting_ = true;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_SERVICE_H_
