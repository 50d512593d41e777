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
  // The first of them leads when this returns. `server_flags`: beside those that make them fronts. `key`:
  // what clients and workers call with, if they ask for keys. `credentials`: how clients dial; null: without
  // TLS.
  explicit Fronts(size_t count, std::vector<std::string> server_flags = {}, std::string key = "",
                  std::shared_ptr<grpc::ChannelCredentials> credentials = nullptr);
  ~Fronts();

  size_t size() const { return fronts_.size(); }
  // Again, on the same port, with further flags.
  void Start(size_t index, const std::vector<std::string>& more_flags = {});
  // Kills it and waits for its end.
  void Kill(size_t index, int signal);
  support::Process& front(size_t index) { return *fronts_.at(index).process; }
  std::string address(size_t index) const { return "127.0.0.1:" + std::to_string(fronts_.at(index).port); }
  std::unique_ptr<client::Client> NewClient(size_t index) const;
  // How often it has begun to serve as leader since it was started.
  int Reigns(size_t index) const;

  // A worker that dials this front; ready when this returns.
  void StartWorker(const std::string& name, size_t front, const std::vector<std::string>& flags = {});
  // Without waiting.
  void LaunchWorker(const std::string& name, size_t front, const std::vector<std::string>& flags = {});
  // Asks their database.
  std::string Sql(const std::string& sql) const { return support::SharedPostgres().Sql(sql, url_); }
  support::Process& worker(const std::string& name) { return *workers_.at(name); }

 private:
  struct Front {
    int port = 0;
    std::unique_ptr<support::Process> process;
  };

  const support::TemporaryFolder folder_;
  const std::string url_;
  const std::vector<std::string> server_flags_;
  const std::string key_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::vector<Front> fronts_;
  std::map<std::string, std::unique_ptr<support::Process>> workers_;
  int starts_ = 0;
};

}  // namespace mind::testing

#endif  // MIND_TESTS_FUNCTIONAL_FRONTS_H_
