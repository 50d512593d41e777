// The worker's stream to the server: gRPC lives here and nowhere else in the worker.
//
// It dials, registers, and turns assignments into trajectories of the engine and the engine's events into
// messages. A broken stream is dialled again, with growing pauses; what was in progress is stopped, and its
// last state is offered to the server on the next stream, so that no step is lost to a hiccup or a restart of
// the server.
#ifndef MIND_WORKER_LINK_SERVER_LINK_H_
#define MIND_WORKER_LINK_SERVER_LINK_H_

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/random/random.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mind/v1/worker.grpc.pb.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/engine/model_cache.h"
#include "worker/link/metrics.h"
#include "worker/link/stream.h"

namespace mind {

class ServerLink {
 public:
  // Job, attempt, picture.
  using ImageKey = std::tuple<std::string, uint32_t, uint32_t>;

  struct Options {
    std::string server;  // HOST:PORT
    std::string name;    // unique among the server's workers
    std::string device;  // for people
    uint32_t max_images = 16;
    absl::Duration first_pause = absl::Milliseconds(100);
    absl::Duration longest_pause = absl::Seconds(5);
  };

  // All must outlive the link.
  ServerLink(const Options& options, diffusion::Engine& engine, const diffusion::ModelCache& models,
             WorkerMetrics& metrics);
  // Ends the stream at once and joins.
  ~ServerLink();

  // Takes no more work, and returns when what there is has been finished or handed back, as the server saw
  // it, or the time is over. Call once.
  void Drain(absl::Duration limit);

 private:
  void KeepConnected();
  // Runs one stream to its end. True if the server accepted it.
  bool RunStream();
  v1::ConnectRequest Registration() const;
  v1::ConnectRequest CapacityNow() const;

  void OnMessage(const v1::ConnectResponse& message);
  void OnRegistered(const v1::Registered& registered);
  void OnAssign(const v1::Assign& assign);
  void OnCancel(const v1::CancelAttempt& cancel);
  // What a broken stream leaves behind: the state of a picture, for the next stream.
  void Keep(v1::ImageCheckpoint checkpoint);
  // Gives back everything that runs.
  void HandBackAll();

  const Options options_;
  diffusion::Engine& engine_;
  const diffusion::ModelCache& models_;
  WorkerMetrics& metrics_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;

  mutable absl::Mutex mutex_;
  std::map<ImageKey, uint64_t> running_ ABSL_GUARDED_BY(mutex_);  // with the engine's id
  std::map<std::pair<std::string, uint32_t>, v1::ImageCheckpoint> kept_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  absl::Duration heartbeat_ ABSL_GUARDED_BY(mutex_) =
      absl::InfiniteDuration();  // set once the server has accepted
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  absl::BitGen random_;  // the thread's
  std::thread thread_;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_SERVER_LINK_H_
