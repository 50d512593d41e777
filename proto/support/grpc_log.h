// What gRPC itself has to say goes into our log.
#ifndef MIND_PROTO_SUPPORT_GRPC_LOG_H_
#define MIND_PROTO_SUPPORT_GRPC_LOG_H_

namespace mind {

// As one of our lines each, where it would be one of its own on standard error: what it takes for errors,
// failed handshakes for one; more if GRPC_VERBOSITY says so. Call before anything of gRPC is made.
void LogGrpcAsOurs();

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_GRPC_LOG_H_
