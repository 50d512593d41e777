// A server stream of a job's events over gRPC: GenerateImage and WatchJob.
#ifndef MIND_SERVER_API_EVENT_STREAM_H_
#define MIND_SERVER_API_EVENT_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "server/api/event_wires.h"
#include "server/generation/event_pump.h"
#include "server/generation/metrics.h"
#include "server/trust/standing_call.h"

namespace mind::server {

// What streams of events need to work; outlives them, and so must what it refers to.
struct EventStreamContext {
  Post post;  // to the loop
  Generation& generation;
  ServerMetrics& metrics;
  Authority& authority;
  EventWires wires = {};  // the loop's
};

// The reactor of one call, which reads one request (LateReading). Writes what it gets as it is, so that an
// event is serialized once for all streams.
//
// gRPC's callbacks may come at once from several threads; they only post to the loop, where the pump decides.
// The stream keeps itself alive until gRPC has let go of it (OnDone).
class EventStream final : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                          public EventPump::Sink,
                          public std::enable_shared_from_this<EventStream> {
 public:
  // What the pump is to do; run on the loop, once.
  using Begin = std::function<void(EventPump&)>;
  // What a request asks for; run on a thread of gRPC's, once.
  using Understand = std::function<absl::StatusOr<Begin>(grpc::ByteBuffer)>;

  // From any thread. `method`: as the metrics call it. `standing`: ends when that says so; none: nothing is
  // looked at any more.
  static EventStream* Start(EventStreamContext& context, const std::string& method,
                            std::optional<StandingCall> standing, Understand understand);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  EventStream(EventStreamContext& context, const std::string& method, std::optional<StandingCall> standing,
              Understand understand);

  // EventPump::Sink, on the loop.
  void Write(const JobEventPtr& event) override;
  void Finish(const absl::Status& status) override;

  EventStreamContext& context_;
  const OpenCall open_call_;
  const Understand understand_;
  const std::shared_ptr<EventPump> pump_;  // the loop's
  std::optional<StandingCall> standing_;   // the loop's
  grpc::ByteBuffer request_;               // gRPC's until it is read
  grpc::ByteBuffer written_;               // gRPC's while it writes
  std::shared_ptr<EventStream> self_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_EVENT_STREAM_H_
