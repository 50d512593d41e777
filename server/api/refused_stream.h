// A bidirectional stream that is refused at once.
#ifndef MIND_SERVER_API_REFUSED_STREAM_H_
#define MIND_SERVER_API_REFUSED_STREAM_H_

#include <grpcpp/grpcpp.h>

namespace mind::server {

// Lives until gRPC has let go of it.
template <typename Request, typename Response>
class RefusedStream final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  static RefusedStream* Start(const grpc::Status& status) { return new RefusedStream(status); }

  void OnDone() override { delete this; }

 private:
  explicit RefusedStream(const grpc::Status& status) { this->Finish(status); }
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_REFUSED_STREAM_H_
