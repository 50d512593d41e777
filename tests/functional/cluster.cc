#include "tests/functional/cluster.h"

#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/support/loopback.h"
#include "tests/support/postgres.h"

namespace mind::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(120);
constexpr absl::Duration kPoll = absl::Milliseconds(10);

int PortIn(const std::string& line, const std::string& before) {
  const size_t at = line.find(before);
  return at == std::string::npos ? 0 : std::atoi(line.c_str() + at + before.size());
}

// What GET /metrics answers; empty if nobody does.
std::string Scrape(int port) {
  try {
    return support::HttpGet(support::Connect(port), "/metrics");
  } catch (const std::system_error&) {
    return "";
  }
}

}  // namespace

bool StoreIsPostgres() {
  const char* const store = std::getenv("MIND_TEST_STORE");
  return store != nullptr && std::string(store) == "postgresql";
}

void Await(const std::string& what, const std::function<bool()>& condition) {
  const absl::Time give_up = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > give_up) {
      ADD_FAILURE() << "waited in vain for " << what;
      return;
    }
    absl::SleepFor(kPoll);
  }
}

std::string CreateJob(client::Client& client, const v1::JobRequest& request) {
  const auto job = client.Create(request);
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? job->id() : "";
}

v1::Job JobNow(client::Client& client, const std::string& id) {
  return client.Get(id).value_or(v1::Job());
}

std::map<uint32_t, std::string> PicturesOf(client::Client& client, const std::string& job) {
  std::map<uint32_t, std::string> pictures;
  const auto ended =
      client.Watch(job, {.event = nullptr, .picture = [&](client::Picture picture) {
                           EXPECT_TRUE(pictures.emplace(picture.index, std::move(picture.data)).second);
                         }});
  EXPECT_TRUE(ended.ok()) << ended.status();
  if (ended.ok()) {
    EXPECT_EQ(ended->state(), v1::JOB_STATE_SUCCEEDED) << ended->error().message();
  }
  return pictures;
}

int RunningImages(client::Client& client) {
  const auto workers = client.Workers();
  return workers.ok() && !workers->empty() ? static_cast<int>(workers->front().running_images()) : -1;
}

Cluster::Cluster(std::vector<std::string> server_flags, Store store)
    : server_flags_(std::move(server_flags)) {
  if (store == Store::kPostgres || (store == Store::kAsToldByEnvironment && StoreIsPostgres())) {
    // A server that was killed is followed soon.
    store_flags_ = {"--store", support::SharedPostgres().NewDatabase(), "--leader-lease", "1500ms"};
  }
  char name[] = "/tmp/mind-cluster-XXXXXX";
  directory_ = mkdtemp(name);
  StartServer();
  // Before, it says to come again: the store has no tables yet.
  if (!store_flags_.empty()) {
    Await("a leader", [this] { return absl::StrContains(server_->Errors(), "serves as leader"); });
  }
}

Cluster::~Cluster() {
  if (::testing::Test::HasFailure()) {
    for (const auto& [name, worker] : workers_)
      std::fprintf(stderr, "--- %s\n%s", name.c_str(), worker->Errors().c_str());
    std::fprintf(stderr, "--- server\n%s", server_->Errors().c_str());
  }
  workers_.clear();
  server_.reset();
  std::filesystem::remove_all(directory_);
}

void Cluster::StartServer() {
  std::vector<std::string> command = {absl::StrCat(MIND_BIN, "/mind-server"),
                                      "--listen",
                                      absl::StrCat("127.0.0.1:", port_),
                                      "--metrics",
                                      "127.0.0.1:0",
                                      "--data",
                                      directory_ + "/data"};
  command.insert(command.end(), store_flags_.begin(), store_flags_.end());
  command.insert(command.end(), server_flags_.begin(), server_flags_.end());
  server_ = std::make_unique<Process>(command, absl::StrCat(directory_, "/server-", ++starts_));
  const std::string line = server_->AwaitLine("listening on port");
  // Once: threads of a test may read it while the server starts again.
  if (port_ == 0) port_ = PortIn(line, "listening on port ");
  server_metrics_port_ = PortIn(line, "metrics on port ");
}

void Cluster::KillServer(int signal) {
  server_->Kill(signal);
  server_->Wait();
}

void Cluster::LaunchWorker(const std::string& name, const std::vector<std::string>& flags) {
  std::vector<std::string> command = {absl::StrCat(MIND_BIN, "/mind-worker"),
                                      "--server",
                                      address(),
                                      "--metrics",
                                      "127.0.0.1:0",
                                      "--name",
                                      name};
  if (std::find(flags.begin(), flags.end(), "--models") == flags.end()) {
    command.insert(command.end(), {"--models", MIND_MODELS "/emoji"});
  }
  const bool has_key = std::find(flags.begin(), flags.end(), "--key") != flags.end();
  if (!key_.empty() && !has_key) command.insert(command.end(), {"--key", key_});
  command.insert(command.end(), flags.begin(), flags.end());
  workers_[name] = std::make_unique<Process>(command, absl::StrCat(directory_, "/", name, "-", ++starts_));
}

void Cluster::StartWorker(const std::string& name, const std::vector<std::string>& flags) {
  LaunchWorker(name, flags);
  const std::string line = workers_.at(name)->AwaitLine("metrics on port");
  worker_metrics_ports_[name] = PortIn(line, "metrics on port ");
  const auto client = NewClient();
  Await("worker " + name, [&] {
    const auto workers = client->Workers();
    if (!workers.ok()) return false;
    for (const v1::Worker& worker : *workers) {
      if (worker.name() == name && worker.max_images() > 0) return true;
    }
    return false;
  });
}

void Cluster::KillWorker(const std::string& name, int signal) {
  workers_.at(name)->Kill(signal);
  workers_.at(name)->Wait();
}

void Cluster::AwaitWorkers(size_t count) {
  const auto client = NewClient();
  Await(absl::StrCat(count, " workers"), [&] {
    const auto workers = client->Workers();
    return workers.ok() && workers->size() == count;
  });
}

std::unique_ptr<client::Client> Cluster::NewClient(const std::string& tenant) const {
  client::Client::Options options;
  options.server = address();
  options.tenant = tenant;
  options.credentials = credentials_;
  options.key = key_;
  return std::make_unique<client::Client>(options);
}

std::unique_ptr<client::Client> Cluster::ClientOf(const std::string& key) const {
  return std::make_unique<client::Client>(client::Client::Options{.server = address(), .key = key});
}

double Cluster::Metric(int port, const std::string& name, const std::string& label) {
  double sum = 0;
  for (const absl::string_view line : absl::StrSplit(Scrape(port), '\n')) {
    const bool named =
        absl::StartsWith(line, absl::StrCat(name, "{")) || absl::StartsWith(line, absl::StrCat(name, " "));
    double value = 0;
    if (named && absl::StrContains(line, label) && absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value))
      sum += value;
  }
  return sum;
}

double Cluster::ServerMetric(const std::string& name, const std::string& label) const {
  return Metric(server_metrics_port_, name, label);
}

double Cluster::WorkerMetric(const std::string& worker, const std::string& name,
                             const std::string& label) const {
  return Metric(worker_metrics_ports_.at(worker), name, label);
}

grpc::Status RawCall(const std::string& address, const std::string& method, const std::string& bytes,
                     std::string* response) {
  grpc::GenericStub stub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice slice(bytes);
  const auto call = stub.PrepareUnaryCall(&context, method, grpc::ByteBuffer(&slice, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (response != nullptr && status.ok()) {
    std::vector<grpc::Slice> slices;
    EXPECT_TRUE(answer.Dump(&slices).ok());
    for (const grpc::Slice& part : slices) {
      response->append(reinterpret_cast<const char*>(part.begin()), part.size());
    }
  }
  return status;
}

bool IsServing(const Cluster& cluster) {
  // HealthCheckResponse { status: SERVING or NOT_SERVING }
  constexpr char kServing[] = "\x08\x01", kNotServing[] = "\x08\x02";
  std::string response;
  const grpc::Status status = RawCall(cluster.address(), "/grpc.health.v1.Health/Check", "", &response);
  EXPECT_TRUE(status.ok() && (response == kServing || response == kNotServing)) << status.error_message();
  return response == kServing;
}

v1::JobRequest Request(const std::string& prompt, uint64_t seed, uint32_t steps, const std::string& sampler) {
  v1::JobRequest request;
  request.mutable_spec()->set_model("emoji");
  request.mutable_spec()->set_prompt(prompt);
  request.mutable_spec()->set_seed(seed);
  request.mutable_spec()->set_steps(steps);
  request.mutable_spec()->set_sampler(sampler);
  return request;
}

}  // namespace mind::testing
