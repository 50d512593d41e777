#include "server/http/http_tls.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <string>

#include "proto/support/errors.h"
#include "proto/support/logging.h"

namespace mind::server {
namespace {

namespace asio = boost::asio;

// HTTP/1.1, for callers that ask for a protocol at all.
int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                   unsigned offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  const int result = SSL_select_next_proto(&found, size, kOurs, sizeof kOurs - 1, offered, offered_size);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::string PemOf(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<size_t>(size)};
}

}  // namespace

std::shared_ptr<asio::ssl::context> HttpTlsContexts::Current() {
  if (tls_.identity == nullptr) return nullptr;
  const absl::MutexLock lock(&mutex_);
  std::shared_ptr<const TlsIdentity::Pair> now = tls_.identity->pair();
  if (now == pair_) return context_;
  try {
    context_ = Make(*now);
  } catch (const boost::system::system_error& e) {
    if (context_ == nullptr) throw;
    LogError("certificate cannot be used for HTTP; the one before stays",
             {{"file", tls_.identity->certificate_file()}, {"error", e.what()}});
  }
  pair_ = std::move(now);
  return context_;
}

std::shared_ptr<asio::ssl::context> HttpTlsContexts::Make(const TlsIdentity::Pair& pair) const {
  auto context = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_server);
  context->use_certificate_chain(asio::buffer(pair.chain));
  context->use_private_key(asio::buffer(pair.key), asio::ssl::context::pem);
  SSL_CTX* const raw = context->native_handle();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  // No session is gone on with: it would come without the certificates that it was begun with.
  SSL_CTX_set_options(raw, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(raw, 0);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);  // most connections are idle
  SSL_CTX_set_alpn_select_cb(raw, ChooseProtocol, nullptr);
  if (tls_.clients != nullptr) {
    // Asked for, and proved to be theirs; Check judges it.
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(
        raw, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  }
  return context;
}

absl::Status HttpTlsContexts::Check(SSL& connection) const {
  if (tls_.clients == nullptr) return absl::OkStatus();
  const X509Ptr leaf(SSL_get1_peer_certificate(&connection));
  if (leaf == nullptr) {
    if (!tls_.required) return absl::OkStatus();
    return MakeError(absl::StatusCode::kUnauthenticated, "this port is for those who show a certificate",
                     "CERTIFICATE_MISSING");
  }
  std::string chain;
  STACK_OF(X509)* const between = SSL_get_peer_cert_chain(&connection);
  for (int i = 0; i < sk_X509_num(between); ++i) chain += PemOf(sk_X509_value(between, i));
  return tls_.clients->Judge(PemOf(leaf.get()), chain).status();
}

}  // namespace mind::server
