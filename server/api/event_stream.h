// A server stream of a job's events over gRPC: GenerateImage and WatchJob.
#ifndef MIND_SERVER_API_EVENT_STREAM_H_
#define MIND_SERVER_API_EVENT_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "proto/support/errors.h"
#include "server/generation/event_pump.h"
#include "server/generation/metrics.h"

namespace mind::server {

// What streams of events need to work; outlives them, and so must what it refers to.
struct EventStreamContext {
  Post post;  // to the loop
  Generation& generation;
  ServerMetrics& metrics;
};

// All of it but the type of message it travels in. gRPC's callbacks may come at once from several threads;
// they only post to the loop, where the pump decides. The stream keeps itself alive until gRPC has let go of
// it (Done).
class EventStream : public EventPump::Sink, public std::enable_shared_from_this<EventStream> {
 public:
  // What the pump is to do; run on the loop, once.
  using Begin = std::function<void(EventPump&)>;

 protected:
  // `method`: as the metrics call it.
  EventStream(const EventStreamContext& context, const std::string& method);

  // From any thread. Open comes first and Done last.
  void Open(Begin begin);
  void Wrote(bool ok);
  void CallerLeft();
  void Done();

 private:
  const Post& post_;
  const OpenCall open_call_;
  const std::shared_ptr<EventPump> pump_;  // the loop's
  std::shared_ptr<EventStream> self_;
};

// The reactor of one call.
template <typename Response>
class EventReactor final : public grpc::ServerWriteReactor<Response>, public EventStream {
 public:
  static grpc::ServerWriteReactor<Response>* Start(const EventStreamContext& context,
                                                   const std::string& method, Begin begin) {
    const std::shared_ptr<EventReactor> stream(new EventReactor(context, method));
    stream->Open(std::move(begin));
    return stream.get();
  }

  void OnWriteDone(bool ok) override { Wrote(ok); }
  void OnCancel() override { CallerLeft(); }
  void OnDone() override { Done(); }

 private:
  EventReactor(const EventStreamContext& context, const std::string& method) : EventStream(context, method) {}

  void Write(const JobEventPtr& event) override {
    *response_.mutable_event() = *event;
    this->StartWrite(&response_);
  }
  void Finish(const absl::Status& status) override {
    grpc::ServerWriteReactor<Response>::Finish(ToGrpc(status));
  }

  Response response_;  // gRPC's while it writes
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_EVENT_STREAM_H_
