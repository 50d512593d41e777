// The gRPC face for clients: reactors that post to the loop and send what comes back. No decisions here.
#ifndef MIND_SERVER_API_GENERATION_API_H_
#define MIND_SERVER_API_GENERATION_API_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "mind/v1/generation.grpc.pb.h"
#include "server/api/event_stream.h"
#include "server/api/gated_service.h"
#include "server/generation/generation.h"
#include "server/generation/metrics.h"

namespace mind::server {

// Thread-safe (called by gRPC's threads). It and what it refers to must outlive the gRPC server it is
// registered with.
class GenerationApi : public GatedService<v1::GenerationService::CallbackService> {
 public:
  // `post`: to the loop that `generation` lives on. `authority`: who may call what.
  GenerationApi(Post post, Generation& generation, ServerMetrics& metrics, Authority& authority);

 private:
  // `work` is run on the loop, and tells how it went now or later.
  template <typename Request, typename Response>
  void OnLoop(const std::string& method,
              std::function<void(const Caller&, const Request&, Response&, const Done&)> work);
  // A stream of events: raw, see EventStream. `understand` is EventStream's, of a caller who is let in.
  void Stream(
      const std::string& method,
      std::function<absl::StatusOr<EventStream::Begin>(const Caller&, const CallTimes&, grpc::ByteBuffer)>
          understand);
  Generation& generation() const { return context_.generation; }

  EventStreamContext context_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_GENERATION_API_H_
