// Whether a peer's certificate is to be believed, and if not, why: in words for whoever has to mend it.
//
// What TLS libraries say of a certificate that they refuse is "certificate verify failed", and the other end
// hears less than that. So we let them check that a peer has its certificate's key, and judge the certificate
// ourselves, by OpenSSL's rules (docs/adr/0019-certificates-are-judged-by-us.md).
#ifndef MIND_PROTO_SUPPORT_CERTIFICATE_JUDGE_H_
#define MIND_PROTO_SUPPORT_CERTIFICATE_JUDGE_H_

#include <openssl/x509.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "proto/support/certificate.h"
#include "proto/support/file_stamp.h"

namespace mind {

// Thread-safe. Authorities come from a file, which is read again when it has changed, a second later at most;
// one that cannot be used leaves those before it in place, and is logged.
class CertificateJudge {
 public:
  enum class Peer { kServer, kClient };

  // `authorities`: a file of certificates in PEM; empty: those that the system knows. INVALID_ARGUMENT says
  // what is wrong with it. `clock` says when to look at the file again.
  static absl::StatusOr<std::shared_ptr<CertificateJudge>> Create(
      Peer peer, const std::string& authorities, std::function<absl::Time()> clock = absl::Now);

  // What the certificate says, if it is in order; else UNAUTHENTICATED with one of the reasons
  // CERTIFICATE_EXPIRED, CERTIFICATE_NOT_YET_VALID, CERTIFICATE_UNKNOWN_AUTHORITY, CERTIFICATE_WRONG_NAME,
  // CERTIFICATE_WRONG_USE, CERTIFICATE_REFUSED. `leaf` and `chain`, which may hold the leaf again, are in
  // PEM. `host`: a name or address that it must be for; empty: for any.
  absl::StatusOr<Certificate> Judge(const std::string& leaf, const std::string& chain,
                                    const std::string& host = "") ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct FreeStore {
    void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  };
  using StorePtr = std::unique_ptr<X509_STORE, FreeStore>;

  CertificateJudge(Peer peer, std::string authorities, std::function<absl::Time()> clock)
      : peer_(peer), authorities_(std::move(authorities)), clock_(std::move(clock)) {}
  absl::Status Read() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReadAgain(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<Certificate> JudgeAnew(const std::string& leaf, const std::string& chain,
                                        const std::string& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Refusal(X509_STORE_CTX& context) const;
  std::string Owner() const { return peer_ == Peer::kServer ? "the server's" : "the client's"; }

  const Peer peer_;
  const std::string authorities_;
  const std::function<absl::Time()> clock_;
  absl::Mutex mutex_;
  StorePtr store_ ABSL_GUARDED_BY(mutex_);
  FileStamp stamp_ ABSL_GUARDED_BY(mutex_);
  absl::Time looked_ ABSL_GUARDED_BY(mutex_);  // at the file
  // What was judged since then: calls on one connection come with the same certificate.
  std::map<std::string, absl::StatusOr<Certificate>> judged_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_CERTIFICATE_JUDGE_H_
