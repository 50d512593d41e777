// In the place of gRPC's reflection, where it would tell strangers what is served.
//
// gRPC's library registers its reflection with every server as soon as it is loaded; which of two services of
// one name is registered first is the one that is asked.
#ifndef MIND_SERVER_API_CLOSED_REFLECTION_H_
#define MIND_SERVER_API_CLOSED_REFLECTION_H_

#include <grpcpp/grpcpp.h>

#include "server/api/refused_stream.h"

namespace mind::server {

// Refuses every call, UNIMPLEMENTED. Must outlive the gRPC server it is registered with.
class ClosedReflection final : public grpc::Service {
 public:
  ClosedReflection() {
    AddMethod(
        new grpc::internal::RpcServiceMethod("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                             grpc::internal::RpcMethod::BIDI_STREAMING, nullptr));
    MarkMethodRawCallback(
        0, new grpc::internal::CallbackBidiHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
               [](grpc::CallbackServerContext*) {
                 return RefusedStream<grpc::ByteBuffer, grpc::ByteBuffer>::Start(
                     {grpc::StatusCode::UNIMPLEMENTED, "reflection is off where keys are asked for"});
               }));
  }
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_CLOSED_REFLECTION_H_
