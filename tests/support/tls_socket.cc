#include "tests/support/tls_socket.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/support/loopback.h"

namespace mind::support {
namespace {

void Use(SSL_CTX* context, const KeyAndCertificate& own) {
  BIO* bio = BIO_new_mem_buf(own.certificate.data(), static_cast<int>(own.certificate.size()));
  X509* const certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context, certificate);
  X509_free(certificate);
  while (X509* const between = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr)) {
    SSL_CTX_add_extra_chain_cert(context, between);
  }
  BIO_free(bio);
  bio = BIO_new_mem_buf(own.key.data(), static_cast<int>(own.key.size()));
  EVP_PKEY* const key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  SSL_CTX_use_PrivateKey(context, key);
  EVP_PKEY_free(key);
  BIO_free(bio);
}

}  // namespace

TlsSocket::TlsSocket(int port, const KeyAndCertificate& own, const std::string& protocols)
    : fd_(Connect(port)), context_(SSL_CTX_new(TLS_client_method())), ssl_([&] {
        signal(SIGPIPE, SIG_IGN);  // OpenSSL writes as files are written
        if (!own.certificate.empty()) Use(context_, own);
        return SSL_new(context_);
      }()) {
  if (!protocols.empty()) {
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                        static_cast<unsigned>(protocols.size()));
  }
  SSL_set_fd(ssl_, fd_);
  connected_ = SSL_connect(ssl_) == 1;
}

TlsSocket::~TlsSocket() {
  SSL_free(ssl_);
  SSL_CTX_free(context_);
  Drop();
}

std::string TlsSocket::protocol() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string TlsSocket::subject() const {
  X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr) return "";
  char text[256] = {};
  X509_NAME_oneline(X509_get_subject_name(certificate), text, sizeof text);
  return text;
}

void TlsSocket::Send(const std::string& text) {
  SSL_write(ssl_, text.data(), static_cast<int>(text.size()));
}

std::string TlsSocket::ReadUntil(const std::string& text) {
  char buffer[4096];
  while (read_.find(text) == std::string::npos) {
    const int size = SSL_read(ssl_, buffer, sizeof buffer);
    if (size <= 0) break;
    read_.append(buffer, static_cast<size_t>(size));
  }
  return read_;
}

void TlsSocket::Shutdown() {
  SSL_shutdown(ssl_);
}

void TlsSocket::Drop() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace mind::support
