// X.509 certificates, as far as we tell peers from each other by them.
#ifndef MIND_PROTO_SUPPORT_CERTIFICATE_H_
#define MIND_PROTO_SUPPORT_CERTIFICATE_H_

#include <openssl/bio.h>
#include <openssl/x509.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mind {

struct FreeX509 {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using X509Ptr = std::unique_ptr<X509, FreeX509>;

struct FreeBio {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
using BioPtr = std::unique_ptr<BIO, FreeBio>;

// All certificates of a text in PEM, in order. INVALID_ARGUMENT: there is none, or one is damaged.
absl::StatusOr<std::vector<X509Ptr>> ReadCertificates(const std::string& pem);

// What one says.
struct Certificate {
  std::string subject;             // for people: "CN=worker-1,O=Studio"
  std::vector<std::string> names;  // DNS names and addresses of hosts
  std::vector<std::string> uris;
  absl::Time not_before, not_after;
};
Certificate Describe(const X509& certificate);

// Who a certificate is for by its SPIFFE URIs, of whatever trust domain and prefix: the NAME of
// spiffe://studio.example/mind/worker/NAME. Nothing if none has that form, or two say different names.
std::optional<std::string> WorkerNamedBy(const Certificate& certificate);
// Whether it is a server's: spiffe://studio.example/mind/server.
bool IsServers(const Certificate& certificate);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_CERTIFICATE_H_
