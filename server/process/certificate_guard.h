// Lets calls through whose caller shows a certificate in order, on a gRPC port with TLS.
//
// The certificate is asked for and proved in the handshake, but judged at each call: so that who is refused
// hears why, and one that expires, or whose authority is no longer trusted, counts no more on connections
// that stand.
#ifndef MIND_SERVER_PROCESS_CERTIFICATE_GUARD_H_
#define MIND_SERVER_PROCESS_CERTIFICATE_GUARD_H_

#include <grpcpp/security/auth_context.h>
#include <grpcpp/security/auth_metadata_processor.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "proto/support/certificate_judge.h"
#include "server/api/worker_identity.h"

namespace mind::server {

// What the other end of a connection shows; nothing if it shows none, an error if it is not in order.
absl::StatusOr<std::optional<Certificate>> CertificateOf(const grpc::AuthContext& connection,
                                                         CertificateJudge& judge);

class CertificateGuard : public grpc::AuthMetadataProcessor {
 public:
  struct Options {
    std::shared_ptr<CertificateJudge> judge;
    bool required = true;       // those without a certificate are refused too
    bool servers_only = false;  // those that are not of a server of ours
    std::function<void(const absl::Status&)> refused;
  };
  explicit CertificateGuard(Options options) : options_(std::move(options)) {}

  bool IsBlocking() const override { return false; }
  grpc::Status Process(const InputMetadata& metadata, grpc::AuthContext* context, OutputMetadata* consumed,
                       OutputMetadata* response) override;

 private:
  absl::Status Check(const grpc::AuthContext& connection) const;

  const Options options_;
};

// By the certificate it shows: one that names no worker is refused, one without a certificate is whoever it
// says, for whom the guard lets through.
IdentifyWorker WorkerByCertificate(std::shared_ptr<CertificateJudge> judge);

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_CERTIFICATE_GUARD_H_
