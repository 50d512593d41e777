#include "server/cluster/worker_relay.h"

#include <grpcpp/generic/generic_stub.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/api/credentials.h"
#include "server/api/refused_stream.h"
#include "server/cluster/leader_calls.h"
#include "server/trust/standing_call.h"

namespace mind::server {
namespace {

constexpr char kMethod[] = "/mind.v1.WorkerService/Connect";
constexpr char kName[] = "mind.v1.WorkerService/Connect";

}  // namespace

// One worker's stream: this end is the server of the worker, Upstream the client of the leader. It lives
// until gRPC has let go of both.
//
// Two chains of reads and writes, one a direction; each holds the upstream call, which ends, and with it the
// stream, when both have come to their ends.
class WorkerRelay::Stream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                                  public std::enable_shared_from_this<WorkerRelay::Stream> {
 public:
  // `name`: the worker's, if it is proved. `standing`: whether its key still holds, where it has been let in
  // by one.
  Stream(WorkerRelay& relay, std::optional<std::string> name, std::optional<StandingCall> standing)
      : relay_(relay),
        name_(std::move(name)),
        standing_(std::move(standing)),
        token_(relay.in_flight_.Begin()),
        open_call_(relay.metrics_.open_calls["Relay"]),
        upstream_(*this) {}

  // Keeps it alive from now on.
  void Start() { self_ = shared_from_this(); }

  // There is a leader. Where it goes to another already, it ends.
  void Begin(const LeaderLinkPtr& leader) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      const absl::MutexLock lock(&mutex_);
      if (gone_) return;
      if (std::exchange(begun_, true)) return context_.TryCancel();
    }
    context_.AddMetadata(kTermKey, absl::StrCat(leader->term));
    if (name_) context_.AddMetadata(kWorkerNameKey, *name_);
    upstream_self_ = self_;
    grpc::GenericStub(leader->channel).PrepareBidiStreamingCall(&context_, kMethod, {}, &upstream_);
    upstream_.AddMultipleHolds(2);
    upstream_.StartRead(&from_leader_);
    upstream_.StartCall();
    WaitForWorker();
  }
  // There is none any more.
  void Cut() ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    if (begun_) context_.TryCancel();
  }

  // --- The worker's side.
  void OnReadDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      const absl::MutexLock lock(&mutex_);
      if (std::exchange(waiting_, Waiting::kNot) == Waiting::kNot) return;  // the leader has ended it
    }
    const absl::Status over = ok && standing_ ? standing_->Check() : absl::OkStatus();
    if (ok && over.ok()) return upstream_.StartWrite(&from_worker_);
    if (!over.ok()) {
      const absl::MutexLock lock(&mutex_);
      over_ = over;
      context_.TryCancel();
    }
    upstream_.StartWritesDone();
    upstream_.RemoveHold();
  }
  void OnWriteDone(bool ok) override {
    if (ok) return upstream_.StartRead(&from_leader_);
    context_.TryCancel();
    LeaderIsDone();
  }
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      const absl::MutexLock lock(&mutex_);
      gone_ = true;
      if (begun_) return context_.TryCancel();
    }
    Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override {
    relay_.Forget(this);
    const std::shared_ptr<Stream> last = std::move(self_);
  }

 private:
  class Upstream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    explicit Upstream(Stream& stream) : stream_(stream) {}

    void OnReadDone(bool ok) override {
      ok ? stream_.StartWrite(&stream_.from_leader_) : stream_.LeaderIsDone();
    }
    void OnWriteDone(bool ok) override { ok ? stream_.WaitForWorker() : RemoveHold(); }
    void OnDone(const grpc::Status& status) override {
      const std::shared_ptr<Stream> last = std::move(stream_.upstream_self_);
      // That it was cut off here is the leader's loss, not the worker's doing.
      const bool cut = status.error_code() == grpc::StatusCode::CANCELLED;
      const absl::Status over = stream_.Over();
      stream_.Finish(!over.ok() ? ToGrpc(over) : cut ? ToGrpc(LeaderCalls::NoLeader()) : status);
    }

   private:
    Stream& stream_;
  };

  // From the worker to the leader: the next message, unless the leader is done.
  void WaitForWorker() ABSL_LOCKS_EXCLUDED(mutex_) {
    bool over = false;
    uint64_t read = 0;
    {
      const absl::MutexLock lock(&mutex_);
      over = leader_done_;
      if (!over) waiting_ = Waiting::kBeginning;
      read = ++reads_;
    }
    if (over) return upstream_.RemoveHold();
    StartRead(&from_worker_);
    {
      // It may have been read and passed on meanwhile: then that goes on by itself.
      const absl::MutexLock lock(&mutex_);
      if (waiting_ != Waiting::kBeginning || reads_ != read) return;
      over = leader_done_;
      waiting_ = over ? Waiting::kNot : Waiting::kBegun;
    }
    if (over) upstream_.RemoveHold();
  }
  // The other direction is at its end; so is this one, if it waits for the worker.
  void LeaderIsDone() ABSL_LOCKS_EXCLUDED(mutex_) {
    bool over = false;
    {
      const absl::MutexLock lock(&mutex_);
      leader_done_ = true;
      over = waiting_ == Waiting::kBegun;
      if (over) waiting_ = Waiting::kNot;
    }
    if (over) upstream_.RemoveHold();
    upstream_.RemoveHold();
  }

  absl::Status Over() ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::MutexLock lock(&mutex_);
    return over_;
  }

  enum class Waiting { kNot, kBeginning, kBegun };

  WorkerRelay& relay_;
  const std::optional<std::string> name_;
  std::optional<StandingCall> standing_;  // used where the worker has been read
  const std::shared_ptr<void> token_;
  const OpenCall open_call_;
  grpc::ClientContext context_;
  Upstream upstream_;
  grpc::ByteBuffer from_worker_, from_leader_;  // each one's who reads or writes it
  absl::Mutex mutex_;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;                // the worker
  absl::Status over_ ABSL_GUARDED_BY(mutex_);                // its key does not hold any more
  bool leader_done_ ABSL_GUARDED_BY(mutex_) = false;         // it says nothing any more
  Waiting waiting_ ABSL_GUARDED_BY(mutex_) = Waiting::kNot;  // for a message of the worker
  uint64_t reads_ ABSL_GUARDED_BY(mutex_) = 0;               // of the worker, begun
  std::shared_ptr<Stream> self_, upstream_self_;
};

void WorkerRelay::PointTo(LeaderLinkPtr leader) {
  std::vector<std::shared_ptr<Stream>> streams;
  {
    const absl::MutexLock lock(&mutex_);
    leader_ = leader;
    for (const auto& [raw, stream] : streams_) streams.push_back(stream.lock());
  }
  for (const std::shared_ptr<Stream>& stream : streams) {
    if (stream != nullptr) leader == nullptr ? stream->Cut() : stream->Begin(leader);
  }
}

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* WorkerRelay::Connect(
    grpc::CallbackServerContext* context) {
  absl::StatusOr<std::optional<std::string>> name = std::nullopt;
  if (identify_) name = identify_(*context);
  if (!name.ok()) {
    LogWarning("worker refused", {{"error", std::string(name.status().message())}});
    return RefusedStream<grpc::ByteBuffer, grpc::ByteBuffer>::Start(ToGrpc(name.status()));
  }
  std::optional<StandingCall> standing;
  if (!name->has_value()) {  // else its certificate is its key
    const Credentials credentials = CredentialsOf(*context);
    const absl::StatusOr<Caller> caller = authority_.Admit(credentials, kName);
    if (!caller.ok()) {
      return RefusedStream<grpc::ByteBuffer, grpc::ByteBuffer>::Start(ToGrpc(caller.status()));
    }
    standing.emplace(authority_, credentials, kName);
  }
  const auto stream = std::make_shared<Stream>(*this, *std::move(name), std::move(standing));
  stream->Start();
  const absl::MutexLock lock(&mutex_);
  streams_[stream.get()] = stream;
  if (leader_ != nullptr) stream->Begin(leader_);
  return stream.get();
}

void WorkerRelay::Forget(const Stream* stream) {
  const absl::MutexLock lock(&mutex_);
  streams_.erase(stream);
}

}  // namespace mind::server
