// A worker that has no models and makes nothing: it says of every picture that it is done. What a server does
// is then all that takes time.
#ifndef MIND_TESTS_BENCH_SERVER_NULL_WORKER_H_
#define MIND_TESTS_BENCH_SERVER_NULL_WORKER_H_

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "mind/v1/worker.grpc.pb.h"

namespace mind::bench {

// The name of null model number `index`, which null workers with more models than that offer.
std::string NullModel(int index);

// On a connection of its own. Thread-safe.
class NullWorker : private grpc::ClientBidiReactor<v1::ConnectRequest, v1::ConnectResponse> {
 public:
  struct Options {
    std::string server;  // HOST:PORT
    std::string name = "null";
    int models = 1;
    uint32_t max_images = 16;  // as mind-worker by default
  };
  // A picture to make.
  struct Picture {
    v1::ImageRef image;
    uint64_t seed = 0;
    uint32_t steps = 0;
    v1::ImageFormat format = v1::IMAGE_FORMAT_PNG;
  };

  // Returns when the server has taken it as ready. It holds its pictures until told to make them. Throws if
  // the server refuses it.
  explicit NullWorker(const Options& options);
  ~NullWorker() override;

  // From now on pictures are done at once: those it holds, and those that come.
  void Make() ABSL_LOCKS_EXCLUDED(mutex_);
  // From now on they are kept.
  void Hold() ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<Picture> held() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Finished pictures that the server has taken.
  uint64_t taken() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until there are so many, or for so long.
  void AwaitTaken(uint64_t pictures, absl::Duration limit) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Messages go in order, however many wait.
  void Send(v1::ConnectRequest message) ABSL_LOCKS_EXCLUDED(mutex_);
  // There is room for its pictures, and this is how fast it is.
  void SendCapacity();
  // Asks for a sign that the server has gone through all that was sent before, and waits for it. Throws if
  // the stream ends first.
  void StartPing();
  void AwaitPing() const ABSL_LOCKS_EXCLUDED(mutex_);
  void Ping() {
    StartPing();
    AwaitPing();
  }

 private:
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  void Take(const v1::ConnectResponse& message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Finish(const Picture& picture) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Put(v1::ConnectRequest message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::unique_ptr<v1::WorkerService::Stub> stub_;
  grpc::ClientContext context_;
  v1::ConnectResponse incoming_;  // gRPC's, between StartRead and OnReadDone

  mutable absl::Mutex mutex_;
  std::deque<v1::ConnectRequest> outgoing_ ABSL_GUARDED_BY(mutex_);  // gRPC reads the front while writing_
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;  // no write may be started any more
  bool registered_ ABSL_GUARDED_BY(mutex_) = false;
  bool making_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Picture> held_ ABSL_GUARDED_BY(mutex_);
  uint64_t taken_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t pings_ ABSL_GUARDED_BY(mutex_) = 0;
  uint32_t answered_ ABSL_GUARDED_BY(mutex_) = 0;  // of the pings

  grpc::Status end_;  // once done_
  absl::Notification done_;
};

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_NULL_WORKER_H_
