#include "tests/support/s3_server.h"

#include <signal.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mind::support {

S3Server::S3Server(const std::string& certificate_file, const std::string& key_file)
    : tls_(!certificate_file.empty()) {
  std::vector<std::string> command = {"/usr/bin/setpriv",
                                      "--pdeathsig=KILL",
                                      MIND_PYTHON,
                                      MIND_BUILD,
                                      "s3_server.py",
                                      folder_.string(),
                                      kBucket,
                                      kKey,
                                      kSecret,
                                      kRegion};
  if (tls_) command.insert(command.end(), {certificate_file, key_file});
  process_ = std::make_unique<Process>(command, PathOf("s3"));
  constexpr char kPort[] = "s3 on port ";
  // Its packages may have to be installed first.
  const std::string line = process_->AwaitLine(kPort, absl::Minutes(10));
  port_ = std::atoi(line.c_str() + line.find(kPort) + sizeof kPort - 1);
}

std::string S3Server::url() const {
  return absl::StrCat(tls_ ? "https" : "http", "://127.0.0.1:", port_);
}

void S3Server::Do(const std::string& what) {
  std::ofstream(PathOf(what)).close();
}

void S3Server::Stop(const std::string& what) {
  std::filesystem::remove(PathOf(what));
}

bool S3Server::Does(const std::string& what) const {
  return std::filesystem::exists(PathOf(what));
}

std::vector<std::string> S3Server::Requests() const {
  std::vector<std::string> requests;
  std::ifstream file(PathOf("requests"));
  for (std::string line; std::getline(file, line);) requests.push_back(line);
  return requests;
}

int S3Server::Count(const std::string& part) const {
  const std::vector<std::string> requests = Requests();
  return static_cast<int>(std::count_if(requests.begin(), requests.end(), [&](const std::string& line) {
    return absl::StrContains(line, part);
  }));
}

void S3Server::Hang() {
  process_->Kill(SIGSTOP);
}

void S3Server::GoOn() {
  process_->Kill(SIGCONT);
}

S3Server& SharedS3() {
  static S3Server server;
  return server;
}

}  // namespace mind::support
