#include "server/process/server_tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/channel_tls.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "server/process/certificate_guard.h"

namespace mind::server {
namespace {

constexpr absl::Duration kLook = absl::Seconds(1);
constexpr unsigned kLookSeconds = 1;
// Of refusals for one reason the log has one line in this time; the metric counts all.
constexpr absl::Duration kTell = absl::Seconds(1);

absl::Status Wrong(const std::string& message) {
  return absl::InvalidArgumentError(message);
}

absl::Status ReadJudge(const char* flag, const std::string& file, std::shared_ptr<CertificateJudge>& judge) {
  auto read = CertificateJudge::Create(CertificateJudge::Peer::kClient, file);
  if (!read.ok()) return Wrong(absl::StrCat(flag, ": ", read.status().message()));
  judge = *std::move(read);
  return absl::OkStatus();
}

}  // namespace

ServerTls::ServerTls(const std::shared_ptr<prometheus::Registry>& registry)
    : expiry_(GaugeFamily(*registry, "mind_tls_certificate_expiry_seconds",
                          "When a certificate expires, in seconds since 1970")),
      refusals_(CounterFamily(*registry, "mind_tls_refusals_total",
                              "Connections and calls refused for their certificates"),
                "reason") {}

absl::StatusOr<std::unique_ptr<ServerTls>> ServerTls::Open(
    const Flags& flags, const std::shared_ptr<prometheus::Registry>& registry) {
  std::unique_ptr<ServerTls> tls(new ServerTls(registry));
  if (absl::Status status = tls->Read(flags); !status.ok()) return status;
  tls->ShowExpiry();
  if (tls->identity_ != nullptr || tls->cluster_identity_ != nullptr) {
    tls->watch_ = std::thread([raw = tls.get()] { raw->Watch(); });
  }
  return tls;
}

ServerTls::~ServerTls() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (watch_.joinable()) watch_.join();
}

absl::Status ServerTls::Read(const Flags& flags) {
  workers_apart_ = !flags.listen_workers.empty();
  client_required_ = flags.tls_client_required;
  absl::Status status = ReadIdentity("--tls-cert", flags.tls_cert, flags.tls_key, identity_);
  if (!status.ok()) return status;
  for (const auto& [flag, file] : {std::pair("--tls-client-ca", &flags.tls_client_ca),
                                   std::pair("--tls-worker-ca", &flags.tls_worker_ca)}) {
    if (!file->empty() && identity_ == nullptr) return Wrong(absl::StrCat(flag, " goes with --tls-cert"));
  }
  if (!flags.tls_worker_ca.empty() && !workers_apart_)
    return Wrong("--tls-worker-ca goes with --listen-workers");
  if (!flags.tls_client_ca.empty()) {
    status = ReadJudge("--tls-client-ca", flags.tls_client_ca, client_judge_);
    if (!status.ok()) return status;
    worker_judge_ = client_judge_;
  }
  if (!flags.tls_worker_ca.empty()) {
    status = ReadJudge("--tls-worker-ca", flags.tls_worker_ca, worker_judge_);
    if (!status.ok()) return status;
  }
  if (flags.cluster_ca.empty()) {
    return flags.cluster_cert.empty() && flags.cluster_key.empty()
               ? absl::OkStatus()
               : Wrong("--cluster-cert and --cluster-key go with --cluster-ca");
  }
  status = ReadIdentity("--cluster-cert", flags.cluster_cert, flags.cluster_key, cluster_identity_);
  if (!status.ok()) return status;
  if (cluster_identity_ == nullptr) cluster_identity_ = identity_;
  if (cluster_identity_ == nullptr) return Wrong("--cluster-ca goes with --cluster-cert or --tls-cert");
  if (!IsServers(cluster_identity_->pair()->certificate)) {
    return Wrong(absl::StrCat("--cluster-cert: the certificate in ", cluster_identity_->certificate_file(),
                              " is not a server's for others: it has no URI spiffe://…/server"));
  }
  status = ReadJudge("--cluster-ca", flags.cluster_ca, cluster_judge_);
  if (!status.ok()) return status;
  auto credentials = MakeServersCredentials(flags.cluster_ca, cluster_identity_->certificate_file(),
                                            cluster_identity_->key_file());
  if (!credentials.ok()) return credentials.status();
  to_servers_ = *std::move(credentials);
  return absl::OkStatus();
}

absl::Status ServerTls::ReadIdentity(const char* flag, const std::string& certificate, const std::string& key,
                                     std::shared_ptr<TlsIdentity>& identity) {
  if (certificate.empty() && key.empty()) return absl::OkStatus();
  if (certificate.empty() || key.empty()) {
    const absl::string_view stem = absl::string_view(flag).substr(0, absl::string_view(flag).rfind('-'));
    return Wrong(absl::StrCat(stem, "-cert and ", stem, "-key go together"));
  }
  auto read = TlsIdentity::Load(certificate, key);
  if (!read.ok()) return Wrong(absl::StrCat(flag, ": ", read.status().message()));
  identity = *std::move(read);
  return absl::OkStatus();
}

void ServerTls::Watch() {
  for (;;) {
    {
      const absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLook)) return;
    }
    bool changed = identity_ != nullptr && identity_->ReadAgain();
    if (cluster_identity_ != nullptr) changed |= cluster_identity_->ReadAgain();
    if (changed) ShowExpiry();
  }
}

void ServerTls::ShowExpiry() {
  for (const auto& [use, identity] :
       {std::pair("clients", identity_), std::pair("cluster", cluster_identity_)}) {
    if (identity == nullptr) continue;
    const absl::Time end = identity->pair()->certificate.not_after;
    expiry_.Add({{"use", use}}).Set(static_cast<double>(absl::ToUnixSeconds(end)));
    if (end < absl::Now()) {
      LogWarning("a certificate has expired", {{"file", identity->certificate_file()},
                                               {"expired", absl::FormatTime(end, absl::UTCTimeZone())}});
    }
  }
}

void ServerTls::Refused(const absl::Status& status) const {
  const auto info = GetErrorInfo(status);
  const std::string reason = info ? info->reason() : "HANDSHAKE_FAILED";
  refusals_[reason].Increment();
  {
    const absl::MutexLock lock(&mutex_);
    absl::Time& told = told_.try_emplace(reason, absl::InfinitePast()).first->second;
    if (absl::Now() - told < kTell) return;
    told = absl::Now();
  }
  LogWarning("refused for its certificate", {{"reason", reason}, {"error", std::string(status.message())}});
}

std::shared_ptr<grpc::ServerCredentials> ServerTls::Credentials(
    const std::shared_ptr<TlsIdentity>& identity, const std::shared_ptr<CertificateJudge>& judge,
    bool required, bool servers_only) const {
  namespace tls = grpc::experimental;
  if (identity == nullptr) return grpc::InsecureServerCredentials();
  tls::TlsServerCredentialsOptions options(std::make_shared<tls::FileWatcherCertificateProvider>(
      identity->key_file(), identity->certificate_file(), kLookSeconds));
  options.watch_identity_key_cert_pairs();
  options.set_cert_request_type(judge == nullptr ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                                 : GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_BUT_DONT_VERIFY);
  std::shared_ptr<grpc::ServerCredentials> credentials = tls::TlsServerCredentials(options);
  if (judge != nullptr) {
    credentials->SetAuthMetadataProcessor(std::make_shared<CertificateGuard>(
        CertificateGuard::Options{.judge = judge,
                                  .required = required,
                                  .servers_only = servers_only,
                                  .refused = [this](const absl::Status& status) { Refused(status); }}));
  }
  return credentials;
}

std::shared_ptr<grpc::ServerCredentials> ServerTls::ForClients() const {
  return Credentials(identity_, client_judge_, client_required_, false);
}

std::shared_ptr<grpc::ServerCredentials> ServerTls::ForWorkers() const {
  return Credentials(identity_, worker_judge_, true, false);
}

std::shared_ptr<grpc::ServerCredentials> ServerTls::ForServers() const {
  return Credentials(cluster_identity_, cluster_judge_, true, true);
}

HttpTls ServerTls::ForHttp() const {
  return {.identity = identity_,
          .clients = client_judge_,
          .required = client_required_,
          .refused = [this](const absl::Status& status) { Refused(status); }};
}

IdentifyWorker ServerTls::workers() const {
  const std::shared_ptr<CertificateJudge>& judge = workers_apart_ ? worker_judge_ : client_judge_;
  return judge == nullptr ? IdentifyWorker() : WorkerByCertificate(judge);
}

}  // namespace mind::server
