// One stream to the server, from dialling to its end.
#ifndef MIND_WORKER_LINK_STREAM_H_
#define MIND_WORKER_LINK_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "mind/v1/worker.grpc.pb.h"
#include "worker/link/outbox.h"

namespace mind {

// Thread-safe. What order reports are sent in, and which are not sent at all, is the Outbox's.
//
// Whoever dials keeps it until it has ended. It does not keep itself: then one of gRPC's threads could be the
// last to let go of it, and of the channel with it, and a channel's end waits for that very thread.
class Stream : public grpc::ClientBidiReactor<v1::ConnectRequest, v1::ConnectResponse> {
 public:
  struct Callbacks {
    // Called from gRPC's threads, one message at a time; must not block.
    std::function<void(const v1::ConnectResponse&)> message;
    // A preview was replaced before it could be sent.
    std::function<void()> preview_dropped;
  };

  // `key`: of the worker; empty: it has none. REQUIRES: the caller holds it until ended().
  static std::shared_ptr<Stream> Dial(v1::WorkerService::Stub& stub, Callbacks callbacks,
                                      const std::string& key = "");

  // False if the stream has ended: the report goes nowhere. True says that it will be written, not that the
  // server gets it.
  bool Send(ReportPtr report) ABSL_LOCKS_EXCLUDED(mutex_);
  // The server understands progress of several pictures in one message.
  void SendProgressTogether() ABSL_LOCKS_EXCLUDED(mutex_);
  // Sends what waits, then tells the server that nothing follows; the server then ends the stream.
  void CloseAfterSending() ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends it now.
  void Abort() { context_.TryCancel(); }

  bool ended() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits for its end, at most that long; true if it has ended.
  bool WaitForEnd(absl::Duration limit) const ABSL_LOCKS_EXCLUDED(mutex_);
  // REQUIRES: ended()
  grpc::Status status() const ABSL_LOCKS_EXCLUDED(mutex_);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnWritesDoneDone(bool) override {}
  void OnDone(const grpc::Status& status) override;

 private:
  explicit Stream(Callbacks callbacks) : callbacks_(std::move(callbacks)) {}
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Callbacks callbacks_;
  grpc::ClientContext context_;
  v1::ConnectResponse incoming_;  // gRPC's, between StartRead and OnReadDone

  mutable absl::Mutex mutex_;
  Outbox outbox_ ABSL_GUARDED_BY(mutex_);
  ReportPtr in_flight_ ABSL_GUARDED_BY(mutex_);  // gRPC reads it while writing_
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool reading_over_ ABSL_GUARDED_BY(mutex_) = false;  // no write may be started any more
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_STREAM_H_
