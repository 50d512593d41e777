// A client's end of a TLS connection to 127.0.0.1, for what no client library does.
#ifndef MIND_TESTS_SUPPORT_TLS_SOCKET_H_
#define MIND_TESTS_SUPPORT_TLS_SOCKET_H_

#include <openssl/ssl.h>

#include <string>

#include "tests/support/certificates.h"

namespace mind::support {

// Believes whatever certificate it is shown.
class TlsSocket {
 public:
  // `own`: what it shows, if anything. `protocols`: what it offers (ALPN), as lengths and names; "": nothing.
  explicit TlsSocket(int port, const KeyAndCertificate& own = {}, const std::string& protocols = "");
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  bool connected() const { return connected_; }  // the handshake went well
  std::string protocol() const;                  // that the server has chosen
  std::string subject() const;                   // of the server's certificate
  void Send(const std::string& text);
  // Until the text is there, or the other end has closed.
  std::string ReadUntil(const std::string& text);
  std::string ReadAll() { return ReadUntil("no such text can be there"); }
  void Forget() { read_.clear(); }
  // Says that nothing follows.
  void Shutdown();
  // Closes the connection under it without a word.
  void Drop();

 private:
  int fd_;
  SSL_CTX* const context_;
  SSL* const ssl_;
  bool connected_ = false;
  std::string read_;
};

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_TLS_SOCKET_H_
