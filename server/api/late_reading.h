// Calls of which nothing is read before it is known who calls.
//
// gRPC hands a method with one request over when all of that is there: 64 MiB of nobody's would lie in memory
// before anybody asked for a key. On the wire calls of all kinds look alike, so to gRPC these are
// bidirectional streams, which are handed over when their header has come.
#ifndef MIND_SERVER_API_LATE_READING_H_
#define MIND_SERVER_API_LATE_READING_H_

#include <google/protobuf/descriptor.h>
#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"

namespace mind::server {

// What gRPC says itself of requests that are none.
inline absl::Status NotARequest() {
  return absl::InternalError("the request cannot be parsed");
}

// `Generated`: a CallbackService that protoc has made.
template <typename Generated>
class LateReading : public Generated {
 protected:
  // `service`: of the same.
  explicit LateReading(const google::protobuf::ServiceDescriptor& service) : service_(service) {}

  // `begin` gives the reactor of a call of this method, on a thread of gRPC's; that reads the request, once,
  // or ends the call.
  template <typename Request, typename Response>
  void OnHeader(
      const std::string& method,
      std::function<grpc::ServerBidiReactor<Request, Response>*(grpc::CallbackServerContext*)> begin) {
    // In one place for good, however gRPC copies what it is given: calls refer to what is in it.
    const auto kept = std::make_shared<const decltype(begin)>(std::move(begin));
    this->MarkMethodStreamed(service_.FindMethodByName(method)->index(),
                             new grpc::internal::CallbackBidiHandler<Request, Response>(
                                 [kept](grpc::CallbackServerContext* context) { return (*kept)(context); }));
  }
  // As access.h calls it.
  std::string NameOf(const std::string& method) const { return service_.full_name() + "/" + method; }

 private:
  const google::protobuf::ServiceDescriptor& service_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_LATE_READING_H_
