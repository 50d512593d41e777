// Methods with one request and one answer, for who may call them.
#ifndef MIND_SERVER_API_GATED_SERVICE_H_
#define MIND_SERVER_API_GATED_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>
#include <utility>

#include "proto/support/errors.h"
#include "server/api/credentials.h"
#include "server/api/late_reading.h"
#include "server/api/refused_stream.h"
#include "server/trust/gatekeeper.h"

namespace mind::server {

// A call that has been let in. Lives until gRPC has let go of it.
template <typename Request, typename Response>
class UnaryCall final : public grpc::ServerBidiReactor<Request, Response> {
 public:
  // Tells that the response is filled in, or why it is not. To be called once, on any thread.
  using Done = std::function<void(const absl::Status&)>;
  // Request and response are there until Done.
  using Work = std::function<void(const Caller&, Request&, Response&, const Done&)>;

  static UnaryCall* Start(Caller caller, const Work& work) { return new UnaryCall(std::move(caller), work); }

  void OnReadDone(bool ok) override {
    if (!ok) return this->Finish(ToGrpc(NotARequest()));
    work_(caller_, request_, response_, [this](const absl::Status& status) {
      if (!status.ok()) return this->Finish(ToGrpc(status));
      this->StartWriteAndFinish(&response_, grpc::WriteOptions(), grpc::Status::OK);
    });
  }
  void OnDone() override { delete this; }

 private:
  UnaryCall(Caller caller, const Work& work) : caller_(std::move(caller)), work_(work) {
    this->StartRead(&request_);
  }

  const Caller caller_;
  const Work& work_;
  Request request_;
  Response response_;
};

// Thread-safe (called by gRPC's threads). It and `authority` must outlive the gRPC server it is registered
// with.
template <typename Generated>
class GatedService : public LateReading<Generated> {
 protected:
  using Done = std::function<void(const absl::Status&)>;

  GatedService(const google::protobuf::ServiceDescriptor& service, Authority& authority)
      : LateReading<Generated>(service), authority_(authority) {}

  // `work` is run for those who are let in, on a thread of gRPC's.
  template <typename Request, typename Response>
  void Unary(const std::string& method, typename UnaryCall<Request, Response>::Work work) {
    this->template OnHeader<Request, Response>(
        method,
        [this, name = this->NameOf(method), work = std::move(work)](
            grpc::CallbackServerContext* context) -> grpc::ServerBidiReactor<Request, Response>* {
          absl::StatusOr<Caller> caller = authority_.Admit(CredentialsOf(*context), name);
          if (!caller.ok()) return RefusedStream<Request, Response>::Start(ToGrpc(caller.status()));
          return UnaryCall<Request, Response>::Start(*std::move(caller), work);
        });
  }
  Authority& authority() const { return authority_; }

 private:
  Authority& authority_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_API_GATED_SERVICE_H_
