// A real S3 endpoint of a test's own on a free loopback port, which checks signatures:
// tests/api/s3_server.py.
#ifndef MIND_TESTS_SUPPORT_S3_SERVER_H_
#define MIND_TESTS_SUPPORT_S3_SERVER_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

namespace mind::support {

// It has one bucket, for one key. It ends with the thread that has started it, however that ends. Belongs to
// one thread. Throws std::runtime_error where something does not work.
class S3Server {
 public:
  static constexpr char kBucket[] = "pictures", kKey[] = "AKIATEST", kSecret[] = "secret/of+the key",
                        kRegion[] = "eu-central-1";

  // With TLS where a certificate is given.
  explicit S3Server(const std::string& certificate_file = "", const std::string& key_file = "");

  // "http://127.0.0.1:PORT"
  std::string url() const;
  int port() const { return port_; }
  // From now on it does what this file means, or does not any more: see the script.
  void Do(const std::string& what);
  void Stop(const std::string& what);
  // Whether it has come to do it ("uploading").
  bool Does(const std::string& what) const;
  // Requests so far, a line each: "address PUT /pictures/jobs/…/0.1 200".
  std::vector<std::string> Requests() const;
  // How many of them have this in them.
  int Count(const std::string& part) const;
  // It does nothing any more, nor does it answer, until it goes on.
  void Hang();
  void GoOn();

 private:
  std::string PathOf(const std::string& file) const { return folder_.string() + "/" + file; }

  const TemporaryFolder folder_;
  const bool tls_;
  std::unique_ptr<Process> process_;
  int port_ = 0;
};

// The same for all tests of this program that leave it as it is.
S3Server& SharedS3();

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_S3_SERVER_H_
