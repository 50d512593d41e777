// Real processes of the product under a test's control: one server, any number of workers, on free loopback
// ports, in a directory of their own that is removed at the end.
#ifndef MIND_TESTS_FUNCTIONAL_CLUSTER_H_
#define MIND_TESTS_FUNCTIONAL_CLUSTER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/cpp/client.h"
#include "tests/support/process.h"
#include "tests/support/stopped_thread.h"

namespace mind::testing {

using support::Process;
using support::StoppedThread;

class Cluster {
 public:
  // What the server keeps its jobs in: as MIND_TEST_STORE says ("postgresql"; sqlite if it is not set).
  enum class Store { kAsToldByEnvironment, kSqlite, kPostgres };

  explicit Cluster(std::vector<std::string> server_flags = {}, Store store = Store::kAsToldByEnvironment);
  ~Cluster();

  // Starts the server (again), on the same port and data.
  void StartServer();
  void KillServer(int signal);
  Process& server() { return *server_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  // Where the server tells its metrics.
  std::string metrics_address() const { return "127.0.0.1:" + std::to_string(server_metrics_port_); }

  // Starts a worker of this name (again) and waits until the server takes it as ready.
  void StartWorker(const std::string& name, const std::vector<std::string>& flags = {});
  // Without waiting.
  void LaunchWorker(const std::string& name, const std::vector<std::string>& flags = {});
  void KillWorker(const std::string& name, int signal);
  Process& worker(const std::string& name) { return *workers_.at(name); }
  void AwaitWorkers(size_t count);

  std::unique_ptr<client::Client> NewClient(const std::string& tenant = "") const;
  // How clients dial from now on; null: without TLS.
  void DialWith(std::shared_ptr<grpc::ChannelCredentials> credentials) {
    credentials_ = std::move(credentials);
  }
  // With another key than SetKey's.
  std::unique_ptr<client::Client> ClientOf(const std::string& key) const;
  // What workers and clients call with from now on. REQUIRES: it has the scopes admin and worker.
  void SetKey(const std::string& key) { key_ = key; }

  // Sums a metric over its labels, where they hold `label` ("" matches all); 0 if there is none.
  double ServerMetric(const std::string& name, const std::string& label = "") const;
  double WorkerMetric(const std::string& worker, const std::string& name,
                      const std::string& label = "") const;

  const std::string& directory() const { return directory_; }

 private:
  static double Metric(int port, const std::string& name, const std::string& label);

  std::vector<std::string> server_flags_;
  std::vector<std::string> store_flags_;
  std::shared_ptr<grpc::ChannelCredentials> credentials_;
  std::string directory_;
  int port_ = 0;
  int server_metrics_port_ = 0;
  std::map<std::string, int> worker_metrics_ports_;
  std::string key_;
  int starts_ = 0;
  std::unique_ptr<Process> server_;
  std::map<std::string, std::unique_ptr<Process>> workers_;
};

// Creates a job and gives its id; fails the test, and gives "", if that is refused.
std::string CreateJob(client::Client& client, const v1::JobRequest& request);
// The job as it is now; an empty one if the server cannot say so.
v1::Job JobNow(client::Client& client, const std::string& id);
// Follows the job to its success and gives its pictures, by index; fails the test if one comes twice.
std::map<uint32_t, std::string> PicturesOf(client::Client& client, const std::string& job);
// Pictures that the first of the workers is making; -1 if there is none to ask.
int RunningImages(client::Client& client);

// What the server's health says.
bool IsServing(const Cluster& cluster);

// Whether MIND_TEST_STORE says so.
bool StoreIsPostgres();

// Polls until it holds; fails the test after two minutes.
void Await(const std::string& what, const std::function<bool()>& condition);

// One unary call with bytes as they are; the answer's bytes go to `response` if given.
grpc::Status RawCall(const std::string& address, const std::string& method, const std::string& bytes,
                     std::string* response = nullptr);

// A request for the model that ships.
v1::JobRequest Request(const std::string& prompt, uint64_t seed, uint32_t steps = 10,
                       const std::string& sampler = "ddim");

}  // namespace mind::testing

#endif  // MIND_TESTS_FUNCTIONAL_CLUSTER_H_
