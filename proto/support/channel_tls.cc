#include "proto/support/channel_tls.h"

#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/certificate_judge.h"
#include "proto/support/errors.h"
#include "proto/support/tls_identity.h"

namespace mind {
namespace {

namespace tls = grpc::experimental;

constexpr unsigned kLookSeconds = 1;

std::string Text(grpc::string_ref text) {
  return {text.data(), text.size()};
}

// Has our judge look at the server's certificate, after gRPC has seen that the server has its key.
class JudgingVerifier : public tls::ExternalCertificateVerifier {
 public:
  using Accept = std::function<absl::Status(tls::TlsCustomVerificationCheckRequest& request)>;
  explicit JudgingVerifier(Accept accept) : accept_(std::move(accept)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* request, std::function<void(grpc::Status)>,
              grpc::Status* sync_status) override {
    const absl::Status status = accept_(*request);
    *sync_status = grpc::Status(static_cast<grpc::StatusCode>(status.code()), std::string(status.message()));
    return true;
  }
  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  const Accept accept_;
};

std::shared_ptr<grpc::ChannelCredentials> Credentials(JudgingVerifier::Accept accept,
                                                      const std::string& certificate_file,
                                                      const std::string& key_file) {
  tls::TlsChannelCredentialsOptions options;
  options.set_verify_server_certs(false);  // the judge does
  options.set_certificate_verifier(
      tls::ExternalCertificateVerifier::Create<JudgingVerifier>(std::move(accept)));
  options.set_check_call_host(false);
  if (!certificate_file.empty()) {
    options.set_certificate_provider(
        std::make_shared<tls::FileWatcherCertificateProvider>(key_file, certificate_file, kLookSeconds));
    options.watch_identity_key_cert_pairs();
  }
  return tls::TlsCredentials(options);
}

absl::Status WrongFlag(const std::string& flag, const absl::Status& why) {
  return absl::InvalidArgumentError(absl::StrCat(flag, ": ", why.message()));
}

}  // namespace

void AddChannelTlsFlags(CLI::App& app, ChannelTls& tls) {
  GiveTwin(AddSwitch(app, "--tls", tls.on, "Dial the server with TLS"));
  GiveTwin(AddText(app, "--ca", tls.authorities, "FILE",
                   "With --tls: the authorities that the server's certificate may be by, in PEM; if left "
                   "out, those that the system knows"));
  GiveTwin(AddText(app, "--tls-cert", tls.certificate_file, "FILE",
                   "With --tls: the certificate to show to the server, in PEM, with those between it and its "
                   "authority; needs --tls-key"));
  GiveTwin(AddText(app, "--tls-key", tls.key_file, "FILE", "The private key of --tls-cert, in PEM"));
  GiveTwin(AddText(app, "--tls-name", tls.name, "NAME",
                   "With --tls: the name or address that the server's certificate is to be for; if left out, "
                   "the host that is dialled"));
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(const ChannelTls& tls) {
  if (!tls.on) {
    const std::pair<const char*, const std::string&> rest[] = {{"--ca", tls.authorities},
                                                               {"--tls-cert", tls.certificate_file},
                                                               {"--tls-key", tls.key_file},
                                                               {"--tls-name", tls.name}};
    for (const auto& [flag, value] : rest) {
      if (!value.empty()) return absl::InvalidArgumentError(absl::StrCat(flag, " goes with --tls"));
    }
    return grpc::InsecureChannelCredentials();
  }
  if (tls.certificate_file.empty() != tls.key_file.empty()) {
    return absl::InvalidArgumentError("--tls-cert and --tls-key go together");
  }
  const auto judge = CertificateJudge::Create(CertificateJudge::Peer::kServer, tls.authorities);
  if (!judge.ok()) return WrongFlag("--ca", judge.status());
  if (!tls.certificate_file.empty()) {
    const auto identity = TlsIdentity::Load(tls.certificate_file, tls.key_file);
    if (!identity.ok()) return WrongFlag("--tls-cert", identity.status());
  }
  return Credentials(
      [judge = *judge, name = tls.name](grpc::experimental::TlsCustomVerificationCheckRequest& request) {
        return judge
            ->Judge(Text(request.peer_cert()), Text(request.peer_cert_full_chain()),
                    name.empty() ? Text(request.target_name()) : name)
            .status();
      },
      tls.certificate_file, tls.key_file);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeServersCredentials(
    const std::string& authorities, const std::string& certificate_file, const std::string& key_file) {
  const auto judge = CertificateJudge::Create(CertificateJudge::Peer::kServer, authorities);
  if (!judge.ok()) return judge.status();
  return Credentials(
      [judge = *judge](grpc::experimental::TlsCustomVerificationCheckRequest& request) {
        const absl::StatusOr<Certificate> shown =
            judge->Judge(Text(request.peer_cert()), Text(request.peer_cert_full_chain()));
        if (!shown.ok() || IsServers(*shown)) return shown.status();
        return MakeError(
            absl::StatusCode::kUnauthenticated,
            absl::StrCat("the server's certificate (", shown->subject,
                         ") is not one of a server of the cluster: it has no URI spiffe://…/server"),
            "CERTIFICATE_WRONG_NAME");
      },
      certificate_file, key_file);
}

}  // namespace mind
