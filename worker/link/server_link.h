// The worker's stream to the server: gRPC lives here and nowhere else in the worker.
//
// It dials, registers, and turns assignments into trajectories of the engine and the engine's events into
// reports. A broken stream is dialled again, with growing pauses. What was in progress is stopped then, and
// the next stream begins with what the server may not have: the newest checkpoint of each picture, and
// finished pictures that it has not said it has taken. What is lost to a hiccup or a restart of the server is
// at most the steps since the last checkpoint of a picture that could not be stopped.
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
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mind/v1/worker.grpc.pb.h"
#include "proto/support/http_client.h"
#include "proto/support/span.h"
#include "worker/image/watermark.h"
#include "worker/link/backoff.h"
#include "worker/link/kept.h"
#include "worker/link/maker.h"
#include "worker/link/metrics.h"
#include "worker/link/stream.h"

namespace mind {

class ServerLink {
 public:
  struct Options {
    std::string server;  // HOST:PORT
    std::string key;     // of scope worker; empty: the server asks for none
    // How it is dialled (proto/support/channel_tls.h); null: without TLS.
    std::shared_ptr<grpc::ChannelCredentials> credentials;
    SpanSink* spans = nullptr;  // must outlive the link; null: none are recorded
    std::string name;           // unique among the server's workers
    std::string device;         // for people
    uint32_t max_images = 16;
    Backoff::Options backoff;
    size_t max_kept_bytes = 512 * 1024 * 1024;
    // How pictures' files are put where the server says; null: they are sent to it. For this link alone,
    // which closes it; must outlive the link.
    HttpClient* uploads = nullptr;
    const image::Watermark* watermark = nullptr;  // put into pictures; must outlive the link; null: none
    // After a broken stream: how long pictures that are told to stop are waited for before the next.
    absl::Duration stop_limit = absl::Seconds(30);
    // At the end: how long the server may take to read what waits to be sent.
    absl::Duration flush_limit = absl::Seconds(10);
  };

  // Both must outlive the link.
  ServerLink(const Options& options, Maker& maker, WorkerMetrics& metrics);
  // Ends the stream at once, has everything handed back and waits for that.
  ~ServerLink();

  // The maker has other models now: the server is told. One that does not understand that learns of them by
  // the next stream, for which this one ends.
  void ModelsChanged() ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes no more work and returns after `limit` at the latest, plus what flush_limit grants. What is not
  // finished by then is handed back, at the end of its step or, where that would take too long, as its newest
  // checkpoint has it. False if the engine is still at something: then the link cannot be destroyed soon.
  // Call once.
  bool Drain(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Job, attempt, picture.
  using ImageKey = std::tuple<std::string, uint32_t, uint32_t>;
  struct Running {
    v1::ImageRef image;
    uint64_t id = 0;                 // the engine's
    std::shared_ptr<Stream> stream;  // that it came by
  };

  void KeepConnected();
  // Runs one stream to its end. Gives how long it stood after it was accepted, and how it ended.
  std::pair<absl::Duration, absl::StatusCode> RunStream();
  // Dials, and sends the registration and what is kept, which is given.
  std::vector<ReportPtr> Open() ABSL_LOCKS_EXCLUDED(mutex_);
  void Close(const grpc::Status& status, bool accepted) ABSL_LOCKS_EXCLUDED(mutex_);
  v1::ConnectRequest Registration() const;
  void OfferModels() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  v1::ConnectRequest CapacityNow() ABSL_LOCKS_EXCLUDED(mutex_);

  void OnMessage(const v1::ConnectResponse& message);
  void OnRegistered(const v1::Registered& registered) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnAssign(const v1::Assign& assign) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel(const v1::CancelAttempt& cancel) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnTaken(const v1::ImageRef& image) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnWanted(const v1::ImageRef& image) ABSL_LOCKS_EXCLUDED(mutex_);
  // Puts a finished picture where the server has said and reports that, or the picture itself if that cannot
  // be done. Where its stream has ended, the next one begins with the picture.
  bool Upload(const std::shared_ptr<Stream>& stream, const v1::Upload& upload, v1::ConnectRequest report)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Uploaded(Stream& stream, const ReportPtr& whole, const absl::StatusOr<v1::UploadedFile>& file);
  // Keeps what must not be lost.
  void Keep(const ReportPtr& report) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Sends a picture's report on the stream it came by, and keeps what must not be lost. Where that stream has
  // ended and another stands, that one gets what is a fact about the job whoever made it.
  bool Report(const std::shared_ptr<Stream>& stream, v1::ConnectRequest report) ABSL_LOCKS_EXCLUDED(mutex_);
  // Has the engine give back everything that runs.
  void HandBackAll() ABSL_LOCKS_EXCLUDED(mutex_);
  // In the engine's place, from the newest checkpoints, what it has not given back.
  void HandBackForEngine() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_.empty(); }
  bool IdleOrStopping() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_.empty() || stopping_; }
  bool NothingToBeTaken() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return !kept_.has_results() || stream_ == nullptr;
  }
  bool NothingLeft() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return running_.empty() && !kept_.has_results();
  }

  const Options options_;
  const std::string instance_;  // tells this process from others of its name
  Maker& maker_;
  WorkerMetrics& metrics_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;

  mutable absl::Mutex mutex_;
  std::map<ImageKey, Running> running_ ABSL_GUARDED_BY(mutex_);
  Kept kept_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<Stream> stream_ ABSL_GUARDED_BY(mutex_);
  absl::Duration lease_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();  // set by the server's acceptance
  // Of the stream: whether the server understands offers, and whether there is one that it was not told.
  bool takes_offers_ ABSL_GUARDED_BY(mutex_) = false;
  bool untold_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  absl::BitGen random_;  // the thread's
  std::thread thread_;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_SERVER_LINK_H_
