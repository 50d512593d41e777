// Several real servers on one real PostgreSQL, and workers that dial them.
#ifndef MIND_TESTS_FUNCTIONAL_FRONTS_H_
#define MIND_TESTS_FUNCTIONAL_FRONTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/cpp/client.h"
#include "tests/support/postgres.h"
#include "tests/support/process.h"
#include "tests/support/temporary_folder.h"

namespace mind::testing {

class Fronts {
 public:
  // The first of them leads when this returns.
  // `flags`: of all of them. `key`: what clients and workers call with, if they ask for keys.
  explicit Fronts(size_t count, std::vector<std::string> flags = {}, std::string key = "");
  ~Fronts();

  size_t size() const { return fronts_.size(); }
  // Again, on the same port.
  void Start(size_t index);
  // Kills it and waits for its end.
  void Kill(size_t index, int signal);
  support::Process& front(size_t index) { return *fronts_.at(index).process; }
  std::string address(size_t index) const { return "127.0.0.1:" + std::to_string(fronts_.at(index).port); }
  std::unique_ptr<client::Client> NewClient(size_t index) const;
  // How often it has begun to serve as leader since it was started.
  int Reigns(size_t index) const;

  // A worker that dials this front; ready when this returns.
  void StartWorker(const std::string& name, size_t front);
  support::Process& worker(const std::string& name) { return *workers_.at(name); }

 private:
  struct Front {
    int port = 0;
    std::unique_ptr<support::Process> process;
  };

  const support::TemporaryFolder folder_;
  const std::string url_;
  const std::vector<std::string> flags_;
  const std::string key_;
  std::vector<Front> fronts_;
  std::map<std::string, std::unique_ptr<support::Process>> workers_;
  int starts_ = 0;
};

}  // namespace mind::testing

#endif  // MIND_TESTS_FUNCTIONAL_FRONTS_H_
