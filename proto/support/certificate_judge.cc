#include "proto/support/certificate_judge.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"

namespace mind {
namespace {

constexpr absl::Duration kLook = absl::Seconds(1);
// Certificates remembered between two looks; anybody may make up more.
constexpr size_t kMostJudged = 1000;

struct FreeContext {
  void operator()(X509_STORE_CTX* context) const { X509_STORE_CTX_free(context); }
};

// Frees the stack alone.
struct FreeStack {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

absl::Status Refused(const std::string& message, const std::string& reason) {
  return MakeError(absl::StatusCode::kUnauthenticated, message, reason);
}

std::string At(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

bool IsFor(X509* certificate, const std::string& host) {
  return X509_check_ip_asc(certificate, host.c_str(), 0) == 1 ||
         X509_check_host(certificate, host.data(), host.size(), X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                         nullptr) == 1;
}

}  // namespace

absl::StatusOr<std::shared_ptr<CertificateJudge>> CertificateJudge::Create(
    Peer peer, const std::string& authorities, std::function<absl::Time()> clock) {
  std::shared_ptr<CertificateJudge> judge(new CertificateJudge(peer, authorities, std::move(clock)));
  const absl::MutexLock lock(&judge->mutex_);
  judge->looked_ = judge->clock_();
  if (absl::Status status = judge->Read(); !status.ok()) return status;
  return judge;
}

absl::Status CertificateJudge::Read() {
  StorePtr store(X509_STORE_new());
  if (authorities_.empty()) {
    X509_STORE_set_default_paths(store.get());
  } else {
    stamp_ = FileStamp::Of(authorities_);
    const absl::StatusOr<std::string> pem = ReadWholeFile(authorities_);
    if (!pem.ok()) return pem.status();
    const auto certificates = ReadCertificates(*pem);
    if (!certificates.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot use ", authorities_, ": ", certificates.status().message()));
    }
    for (const X509Ptr& certificate : *certificates) X509_STORE_add_cert(store.get(), certificate.get());
  }
  store_ = std::move(store);
  return absl::OkStatus();
}

void CertificateJudge::ReadAgain(absl::Time now) {
  if (now >= looked_ && now - looked_ < kLook && judged_.size() < kMostJudged) return;
  looked_ = now;
  judged_.clear();
  if (authorities_.empty() || FileStamp::Of(authorities_) == stamp_) return;
  const absl::Status status = Read();
  if (status.ok()) {
    LogInfo("authorities read again", {{"file", authorities_}});
  } else {
    LogError("authorities cannot be read again; those before stay",
             {{"file", authorities_}, {"error", std::string(status.message())}});
  }
}

absl::StatusOr<Certificate> CertificateJudge::Judge(const std::string& leaf, const std::string& chain,
                                                    const std::string& host) {
  const std::string key = absl::StrCat(host, "\n", leaf, chain);
  const absl::MutexLock lock(&mutex_);
  ReadAgain(clock_());
  const auto judged = judged_.find(key);
  if (judged != judged_.end()) return judged->second;
  return judged_.emplace(key, JudgeAnew(leaf, chain, host)).first->second;
}

absl::StatusOr<Certificate> CertificateJudge::JudgeAnew(const std::string& leaf, const std::string& chain,
                                                        const std::string& host) {
  const auto own = ReadCertificates(leaf);
  if (!own.ok()) {
    return Refused(absl::StrCat(Owner(), " certificate cannot be read: ", own.status().message()),
                   "CERTIFICATE_REFUSED");
  }
  X509* const certificate = own->front().get();
  std::vector<X509Ptr> others;
  if (auto read = ReadCertificates(chain); read.ok()) others = *std::move(read);
  const std::unique_ptr<STACK_OF(X509), FreeStack> between(sk_X509_new_null());
  for (const X509Ptr& other : others) sk_X509_push(between.get(), other.get());

  const std::unique_ptr<X509_STORE_CTX, FreeContext> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store_.get(), certificate, between.get());
  X509_STORE_CTX_set_default(context.get(), peer_ == Peer::kServer ? "ssl_server" : "ssl_client");
  const bool good = X509_verify_cert(context.get()) == 1;
  ERR_clear_error();
  if (!good) return Refusal(*context);
  Certificate facts = Describe(*certificate);
  if (!host.empty() && !IsFor(certificate, host)) {
    const std::string names = facts.names.empty() ? "no host" : absl::StrJoin(facts.names, ", ");
    return Refused(absl::StrCat(Owner(), " certificate (", facts.subject, ") is for ", Printable(names, 400),
                                ", not for ", Printable(host)),
                   "CERTIFICATE_WRONG_NAME");
  }
  return facts;
}

absl::Status CertificateJudge::Refusal(X509_STORE_CTX& context) const {
  const int error = X509_STORE_CTX_get_error(&context);
  const X509* const at_fault = X509_STORE_CTX_get_current_cert(&context);
  const Certificate facts = at_fault == nullptr ? Certificate{} : Describe(*at_fault);
  const bool own = X509_STORE_CTX_get_error_depth(&context) == 0;
  const std::string which =
      own ? absl::StrCat(Owner(), " certificate (", facts.subject, ")")
          : absl::StrCat(Owner(), " certificate depends on one (", facts.subject, ") that");
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Refused(absl::StrCat(which, " expired on ", At(facts.not_after)), "CERTIFICATE_EXPIRED");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Refused(absl::StrCat(which, " is not valid before ", At(facts.not_before)),
                     "CERTIFICATE_NOT_YET_VALID");
    case X509_V_ERR_INVALID_PURPOSE:
      return Refused(absl::StrCat(which, " is not made for this use (", X509_verify_cert_error_string(error),
                                  ": extended key usage)"),
                     "CERTIFICATE_WRONG_USE");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return Refused(absl::StrCat(which, " is by an authority that is not among those of ",
                                  authorities_.empty() ? "the system" : authorities_, " (",
                                  X509_verify_cert_error_string(error), ")"),
                     "CERTIFICATE_UNKNOWN_AUTHORITY");
    default:
      return Refused(absl::StrCat(which, " is refused: ", X509_verify_cert_error_string(error)),
                     "CERTIFICATE_REFUSED");
  }
}

}  // namespace mind
