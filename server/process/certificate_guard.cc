#include "server/process/certificate_guard.h"

#include <grpc/grpc_security_constants.h>

#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

// Health checks are answered to everybody: those who ask have no certificate.
constexpr char kHealth[] = "/grpc.health.v1.Health/";

std::string Property(const grpc::AuthContext& connection, const char* name) {
  const std::vector<grpc::string_ref> values = connection.FindPropertyValues(name);
  return values.empty() ? "" : std::string(values.front().data(), values.front().size());
}

bool AsksForHealth(const grpc::AuthMetadataProcessor::InputMetadata& metadata) {
  const auto path = metadata.find(":path");
  return path != metadata.end() && path->second.starts_with(kHealth);
}

}  // namespace

absl::StatusOr<std::optional<Certificate>> CertificateOf(const grpc::AuthContext& connection,
                                                         CertificateJudge& judge) {
  const std::string leaf = Property(connection, GRPC_X509_PEM_CERT_PROPERTY_NAME);
  if (leaf.empty()) return std::nullopt;
  absl::StatusOr<Certificate> certificate =
      judge.Judge(leaf, Property(connection, GRPC_X509_PEM_CERT_CHAIN_PROPERTY_NAME));
  if (!certificate.ok()) return certificate.status();
  return *std::move(certificate);
}

grpc::Status CertificateGuard::Process(const InputMetadata& metadata, grpc::AuthContext* context,
                                       OutputMetadata*, OutputMetadata*) {
  if (AsksForHealth(metadata)) return grpc::Status::OK;
  const absl::Status status = Check(*context);
  if (status.ok()) return grpc::Status::OK;
  options_.refused(status);
  return ToGrpc(status);
}

absl::Status CertificateGuard::Check(const grpc::AuthContext& connection) const {
  const absl::StatusOr<std::optional<Certificate>> shown = CertificateOf(connection, *options_.judge);
  if (!shown.ok()) return shown.status();
  if (!shown->has_value()) {
    if (!options_.required) return absl::OkStatus();
    return MakeError(absl::StatusCode::kUnauthenticated, "this port is for those who show a certificate",
                     "CERTIFICATE_MISSING");
  }
  if (!options_.servers_only || IsServers(**shown)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kPermissionDenied,
                   absl::StrCat("the client's certificate (", (*shown)->subject,
                                ") is not one of a server of the cluster: it has no URI spiffe://…/server"),
                   "CERTIFICATE_WRONG_NAME");
}

IdentifyWorker WorkerByCertificate(std::shared_ptr<CertificateJudge> judge) {
  return [judge = std::move(judge)](
             const grpc::CallbackServerContext& context) -> absl::StatusOr<std::optional<std::string>> {
    const absl::StatusOr<std::optional<Certificate>> shown = CertificateOf(*context.auth_context(), *judge);
    if (!shown.ok()) return shown.status();
    if (!shown->has_value()) return std::nullopt;
    std::optional<std::string> name = WorkerNamedBy(**shown);
    if (name) return name;
    return MakeError(absl::StatusCode::kPermissionDenied,
                     absl::StrCat("the client's certificate (", (*shown)->subject,
                                  ") names no worker: it has no URI spiffe://…/worker/NAME"),
                     "CERTIFICATE_WRONG_NAME");
  };
}

}  // namespace mind::server
