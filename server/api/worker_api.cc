#include "server/api/worker_api.h"

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/api/credentials.h"
#include "server/api/inbox.h"
#include "server/api/refused_stream.h"
#include "server/trust/standing_call.h"

namespace mind::server {
namespace {

constexpr char kConnect[] = "mind.v1.WorkerService/Connect";

// One worker's stream. Its state lives on the loop; gRPC's callbacks only post there. It keeps itself alive
// until OnDone.
//
// What has been read waits in an Inbox until the loop takes it, which it does when what waits to be written
// leaves room: a worker that says more than the loop or the disk can take fills its own connection, not the
// server's memory.
class WorkerStream : public grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>,
                     public WorkerSession,
                     public std::enable_shared_from_this<WorkerStream> {
 public:
  // `identity`: the name that it must register by, if any; an error ends it. `standing`: whether its key
  // still holds, where it has been let in by one.
  static WorkerStream* Start(const Post& post, Reception& desk, ServerMetrics& metrics,
                             absl::StatusOr<std::optional<std::string>> identity,
                             std::optional<StandingCall> standing) {
    std::shared_ptr<WorkerStream> stream(
        new WorkerStream(post, desk, metrics, std::move(identity), std::move(standing)));
    stream->self_ = stream;
    stream->StartRead(&stream->request_);
    return stream.get();
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      post_([stream = shared_from_this()] { stream->Ended(); });
      return;
    }
    const Inbox::Put put = inbox_.Add(std::move(request_));
    if (put.first) {
      post_([stream = shared_from_this()] {
        stream->desk_.WhenReadable(stream.get(), [stream] { stream->TakeAll(); });
      });
    }
    if (put.read_on) StartRead(&request_);
  }

  void OnWriteDone(bool ok) override {
    post_([stream = shared_from_this(), ok] {
      stream->outgoing_.pop_front();
      stream->writing_ = false;
      if (ok) stream->Write();
    });
  }

  void OnCancel() override {
    post_([stream = shared_from_this()] { stream->Ended(); });
  }

  void OnDone() override {
    post_([stream = shared_from_this()] {
      stream->Ended();
      stream->self_.reset();
    });
  }

  // WorkerSession, on the loop.
  void Send(v1::ConnectResponse message) override {
    outgoing_.push_back(std::move(message));
    Write();
  }
  void Close(const absl::Status& status) override { FinishOnLoop(ToGrpc(status)); }

 private:
  WorkerStream(const Post& post, Reception& desk, ServerMetrics& metrics,
               absl::StatusOr<std::optional<std::string>> identity, std::optional<StandingCall> standing)
      : post_(post),
        desk_(desk),
        open_call_(metrics.open_calls["Connect"]),
        identity_(std::move(identity)),
        standing_(std::move(standing)) {}

  void Take(v1::ConnectRequest message) {
    if (finished_) return;
    if (registered_) return desk_.OnMessage(this, std::move(message));
    if (!message.has_register_()) {
      return Close(InvalidField("message", "the first message of a worker must be `register`"));
    }
    absl::Status status = CheckIdentity(message.register_().name());
    if (status.ok()) status = desk_.OnRegister(shared_from_this(), message.register_());
    if (!status.ok()) return Close(status);
    registered_ = true;
  }

  absl::Status CheckIdentity(const std::string& name) const {
    absl::Status status = identity_.status();
    if (status.ok() && identity_->has_value() && **identity_ != name) {
      status = MakeError(absl::StatusCode::kPermissionDenied,
                         absl::StrCat("the worker's certificate is for the name ", Printable(**identity_),
                                      ", and it says that it is ", Printable(name), ": give it --name ",
                                      Printable(**identity_)),
                         "WORKER_NAME_REFUSED");
    }
    if (!status.ok()) {
      LogWarning("worker refused", {{"worker", Printable(name)}, {"error", std::string(status.message())}});
    }
    return status;
  }

  void TakeAll() {
    Inbox::Taken taken = inbox_.TakeAll();
    if (standing_) {
      if (const absl::Status over = standing_->Check(); !over.ok()) Close(over);
    }
    for (v1::ConnectRequest& message : taken.messages) Take(std::move(message));
    if (taken.was_full && !finished_) StartRead(&request_);
  }

  void Write() {
    if (writing_ || finished_ || outgoing_.empty()) return;
    writing_ = true;
    StartWrite(&outgoing_.front());
  }

  // The worker's side is closed or broken.
  void Ended() {
    TakeAll();  // what it said before
    if (registered_) desk_.OnClosed(this);
    registered_ = false;
    FinishOnLoop(grpc::Status::OK);
  }

  void FinishOnLoop(const grpc::Status& status) {
    if (finished_) return;
    finished_ = true;
    Finish(status);
  }

  const Post& post_;
  Reception& desk_;
  const OpenCall open_call_;
  const absl::StatusOr<std::optional<std::string>> identity_;

  v1::ConnectRequest request_;  // gRPC's; while a full inbox stops the reading, the loop's
  Inbox inbox_;

  // The loop's. The front of outgoing_ belongs to gRPC while writing_.
  std::deque<v1::ConnectResponse> outgoing_;
  std::optional<StandingCall> standing_;
  bool registered_ = false;
  bool writing_ = false;
  bool finished_ = false;

  std::shared_ptr<WorkerStream> self_;
};

}  // namespace

grpc::ServerBidiReactor<v1::ConnectRequest, v1::ConnectResponse>* WorkerApi::Connect(
    grpc::CallbackServerContext* context) {
  absl::StatusOr<std::optional<std::string>> identity = std::nullopt;
  if (identify_) identity = identify_(*context);
  if (identity.ok() && identity->has_value()) {  // its certificate is its key
    return WorkerStream::Start(post_, desk_, metrics_, std::move(identity), std::nullopt);
  }
  const Credentials credentials = CredentialsOf(*context);
  const absl::StatusOr<Caller> caller = authority_.Admit(credentials, kConnect);
  if (!caller.ok()) {
    return RefusedStream<v1::ConnectRequest, v1::ConnectResponse>::Start(ToGrpc(caller.status()));
  }
  return WorkerStream::Start(post_, desk_, metrics_, std::move(identity),
                             StandingCall(authority_, credentials, kConnect));
}

}  // namespace mind::server
