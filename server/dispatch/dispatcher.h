// Which worker does what: jobs, workers, attempts, leases and placement.
//
// Plain state: every call is an event with the time it happened, every return value the actions that follow
// from it. No threads, no clock, no I/O, so that a test (or a simulation of a million faults) drives it
// directly. The threaded shell around it is generation/service.
#ifndef MIND_SERVER_DISPATCH_DISPATCHER_H_
#define MIND_SERVER_DISPATCH_DISPATCHER_H_

#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "mind/v1/worker.pb.h"
#include "server/dispatch/moment.h"
#include "server/queue/job_queue.h"

namespace mind::server {

// --- Actions: what the shell has to do, in order.

struct SendAssign {
  std::string worker;
  v1::Assign assign;
};
struct SendCancel {
  std::string worker;
  v1::CancelAttempt cancel;
};
struct DropWorker {  // its lease ran out: close its stream
  std::string worker;
};
struct JobStartedAction {
  v1::Job job;
  std::string worker;
  uint32_t resumed_steps = 0;
};
struct JobRequeuedAction {
  v1::Job job;
};
struct JobEndedAction {  // state is final
  v1::Job job;
};
using Action =
    std::variant<SendAssign, SendCancel, DropWorker, JobStartedAction, JobRequeuedAction, JobEndedAction>;
using Actions = std::vector<Action>;

// --- State.

class Dispatcher {
 public:
  struct Options {
    // A worker not heard for this long is lost. Workers report at least three times as often.
    absl::Duration lease = absl::Seconds(10);
    // A job whose workers are lost this many times in a row without a single step of progress is failed: it
    // may be what kills them.
    int max_stalled_attempts = 20;
    // What one evaluation row is taken to cost before any worker has measured the model.
    double default_row_seconds = 0.05;
  };

  explicit Dispatcher(const Options& options) : options_(options) {}

  // Jobs. A new job must be QUEUED with spec and defaults filled in; `rows` is its cost in denoiser rows over
  // all pictures; `images_done` are pictures that need not be made (after a restart).
  Actions OnSubmit(const v1::Job& job, double rows, const std::set<uint32_t>& images_done, const Moment& now);
  // Ends a job that has not ended, as CANCELLED or FAILED with this error. Nothing for other ids.
  Actions OnCancel(const std::string& id, const absl::Status& reason, const Moment& now);

  // Workers. A second connect of one name replaces the first, as if that had been lost.
  Actions OnWorkerConnected(const v1::Register& registration, const Moment& now);
  Actions OnWorkerLost(const std::string& worker, const Moment& now);
  // One message of a connected worker (not `register`); also renews its lease. Messages about attempts that
  // are no longer the newest change nothing, except checkpoints. Results must have passed AcceptsResult.
  Actions OnWorkerMessage(const std::string& worker, const v1::ConnectRequest& message, const Moment& now);

  // Whether waiting jobs may be placed; they may at first. From the next event on.
  void SetPlacing(bool placing) { placing_ = placing; }

  // Leases, deadlines, and jobs that can be placed now.
  Actions OnTick(const Moment& now);

  // Whether a result of this picture from this worker counts: the newest attempt, not done before.
  bool AcceptsResult(const std::string& worker, const v1::ImageRef& image) const;

  // --- Views.

  // The job as it is now, if it has not ended.
  const v1::Job* Find(const std::string& id) const;
  size_t queued_jobs() const { return queue_.size(); }
  size_t running_jobs() const;
  size_t workers() const { return workers_.size(); }
  const JobQueue& queue() const { return queue_; }
  double RowSeconds(const std::string& model) const;
  // How long a job of that many rows waits if it comes now, over all that waits and runs; empty without
  // workers.
  std::optional<absl::Duration> EstimatedWait() const;
  std::optional<absl::Duration> EstimatedWaitOf(const std::string& id, absl::Time now) const;
  std::optional<absl::Duration> EstimatedRemaining(const std::string& id) const;
  struct WorkerView {
    v1::Register registration;
    v1::Capacity capacity;
    bool ready = false;  // has sent its capacity
    bool draining = false;
    size_t running_images = 0;
    absl::Time connected;
  };
  std::map<std::string, WorkerView> Workers() const;
  std::map<std::string, int64_t> RunningByModel() const;

 private:
  struct Image {
    bool done = false;
    uint32_t step = 0;  // newest known
    uint32_t checkpoint_step = 0;
    std::string checkpoint;
  };

  struct ActiveJob {
    v1::Job job;
    double rows = 0;  // of the whole job
    absl::Time deadline = absl::InfiniteFuture();
    std::vector<Image> images;
    std::string worker;              // empty while queued
    std::set<uint32_t> outstanding;  // pictures of the newest attempt the worker has not ended yet
    int stalled_attempts = 0;
    uint32_t steps_at_start = 0;  // of the newest attempt
    bool start_reported = false;  // of the newest attempt

    // A cascade takes more than the request's steps; whoever accepted the job has counted them all.
    uint32_t steps_per_image() const { return job.steps_total() / static_cast<uint32_t>(images.size()); }
  };

  // A picture on a worker, whatever has become of its job: it takes up room until the worker says it has
  // ended.
  using Running = std::tuple<std::string, uint32_t, uint32_t>;  // job, attempt, image

  struct Worker {
    v1::Register registration;
    v1::Capacity capacity;
    bool ready = false;
    bool draining = false;
    absl::Time connected;
    absl::Duration last_heard;
    std::map<Running, int> running;  // with its priority
  };

  static bool Serves(const Worker& worker, const std::string& model);
  static bool HasLoaded(const Worker& worker, const std::string& model);
  // Pictures it would still take at this priority; lower ones can be paused and do not count.
  static int64_t Room(const Worker& worker, int priority);

  ActiveJob* FindAttempt(const std::string& worker, const v1::ImageRef& image);
  QueuedJob ToQueued(const ActiveJob& job) const;
  double RemainingRows(const ActiveJob& job) const;
  void UpdateCounts(ActiveJob& job) const;

  void Place(const Moment& now, Actions& actions);
  std::string ChooseWorker(const ActiveJob& job) const;
  void Assign(ActiveJob& job, const std::string& worker, const Moment& now, Actions& actions);
  void Requeue(ActiveJob& job, const Moment& now, Actions& actions);
  void End(const std::string& id, v1::JobState state, const absl::Status& error, const Moment& now,
           Actions& actions);
  void LoseWorker(const std::string& name, const Moment& now, Actions& actions);

  void OnStarted(const std::string& worker, const v1::ImageStarted& started, Actions& actions);
  void OnProgress(const std::string& worker, const v1::ImageProgress& progress);
  void OnCheckpoint(const v1::ImageRef& image, uint32_t step, const std::string& data);
  void OnResult(const std::string& worker, const v1::ImageRef& image, const Moment& now, Actions& actions);
  void OnFailure(const std::string& worker, const v1::ImageFailure& failure, const Moment& now,
                 Actions& actions);
  // The worker no longer holds this picture: frees its room, and requeues the job when it was the attempt's
  // last.
  void OnImageLeft(const std::string& worker, const v1::ImageRef& image, const Moment& now, Actions& actions);

  const Options options_;
  bool placing_ = true;
  JobQueue queue_;
  std::map<std::string, ActiveJob> jobs_;
  std::map<std::string, Worker> workers_;
  std::map<std::string, double> row_seconds_;  // by model, the newest word of any worker
};

}  // namespace mind::server

#endif  // MIND_SERVER_DISPATCH_DISPATCHER_H_
