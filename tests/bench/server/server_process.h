// Servers under measurement: processes of their own, so that what they cost can be told from what it costs to
// ask them.
#ifndef MIND_TESTS_BENCH_SERVER_SERVER_PROCESS_H_
#define MIND_TESTS_BENCH_SERVER_SERVER_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

namespace mind::bench {

// A server that says "listening on port N" on standard output when it can be used. Killed when destroyed.
class ServerProcess {
 public:
  // Returns when it can be used; throws std::runtime_error if it cannot by then.
  ServerProcess(const std::vector<std::string>& command, const std::string& output_stem,
                absl::Duration patience = support::Process::kPatience);

  const std::string& address() const { return address_; }
  // Of what it has said it serves over HTTP; 0: nothing.
  int http_port() const { return http_port_; }
  // Of all its threads since it began.
  double CpuSeconds() const;
  double ResidentMebibytes() const;
  // Of its metrics: the sum of the samples that begin so. Throws std::runtime_error where it has none.
  double Metric(const std::string& sample) const;

 private:
  support::Process process_;
  std::string address_;
  int http_port_ = 0;
  int metrics_port_ = 0;
};

// mind-server on data of its own, which go when it is destroyed. It takes any number of jobs, and lets
// workers be silent, unless `flags` say otherwise.
class MindServer {
 public:
  // `folder`: where the data lie, in a folder of their own.
  MindServer(std::string program, const std::string& folder, std::vector<std::string> flags = {});

  // kill -9, and the same again on the same data, on another port. Returns when it can be used; throws
  // std::runtime_error if it cannot by then.
  void Restart(absl::Duration patience = support::Process::kPatience);
  const ServerProcess& process() const { return *process_; }
  const std::string& address() const { return process_->address(); }
  int http_port() const { return process_->http_port(); }

 private:
  const support::TemporaryFolder folder_;
  std::vector<std::string> command_;
  std::unique_ptr<ServerProcess> process_;
};

}  // namespace mind::bench

#endif  // MIND_TESTS_BENCH_SERVER_SERVER_PROCESS_H_
