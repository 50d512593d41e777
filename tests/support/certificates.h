// Certificates made for a test.
#ifndef MIND_TESTS_SUPPORT_CERTIFICATES_H_
#define MIND_TESTS_SUPPORT_CERTIFICATES_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mind::support {

struct KeyAndCertificate {
  std::string certificate, key;  // PEM

  // As STEM.crt and STEM.key, each put in place whole.
  void Write(const std::string& stem) const;
};

// Puts bytes in place of a file at once.
void ReplaceFile(const std::string& path, const std::string& bytes);

class Authority {
 public:
  explicit Authority(const std::string& name = "test authority");
  // One that has its certificate from another.
  Authority(const std::string& name, const Authority& above);
  ~Authority();

  struct Request {
    std::string name = "test";            // common name
    std::vector<std::string> hosts = {};  // "DNS:localhost", "IP:127.0.0.1", "URI:spiffe://…"
    absl::Time not_before = absl::Now() - absl::Hours(1);
    absl::Time not_after = absl::Now() + absl::Hours(1);
    std::string use = {};  // extended key usage: "serverAuth"; empty: any
  };
  KeyAndCertificate Issue(const Request& request) const;
  // For 127.0.0.1 and localhost.
  KeyAndCertificate IssueForLoopback(const std::string& name = "server") const {
    return Issue({.name = name, .hosts = {"IP:127.0.0.1", "DNS:localhost"}});
  }

  const std::string& certificate() const;  // PEM

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_CERTIFICATES_H_
