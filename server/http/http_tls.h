// TLS of the faces over HTTP.
#ifndef MIND_SERVER_HTTP_HTTP_TLS_H_
#define MIND_SERVER_HTTP_HTTP_TLS_H_

#include <openssl/types.h>

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "proto/support/certificate_judge.h"
#include "proto/support/tls_identity.h"

namespace boost::asio::ssl {
class context;
}

namespace mind::server {

struct HttpTls {
  std::shared_ptr<const TlsIdentity> identity;  // null: plain
  std::shared_ptr<CertificateJudge> clients;    // null: no certificate is asked for
  bool required = true;                         // those who show none are refused too
  // Told of connections and requests that are refused. From any thread.
  std::function<void(const absl::Status&)> refused = [](const absl::Status&) {};
};

// What connections are encrypted with: of the certificate as it is now, made anew when that has changed.
// Thread-safe.
class HttpTlsContexts {
 public:
  explicit HttpTlsContexts(HttpTls tls) : tls_(std::move(tls)) {}

  // Null: plain. Throws boost::system::system_error where the first certificate cannot be used; another one
  // leaves the one before it in place.
  std::shared_ptr<boost::asio::ssl::context> Current() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether who is at the other end of an encrypted connection may ask for anything.
  absl::Status Check(SSL& connection) const;
  void Refused(const absl::Status& status) const { tls_.refused(status); }

 private:
  std::shared_ptr<boost::asio::ssl::context> Make(const TlsIdentity::Pair& pair) const;

  const HttpTls tls_;
  absl::Mutex mutex_;
  std::shared_ptr<const TlsIdentity::Pair> pair_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<boost::asio::ssl::context> context_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_HTTP_TLS_H_
