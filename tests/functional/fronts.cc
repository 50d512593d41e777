#include "tests/functional/fronts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/functional/cluster.h"

namespace mind::testing {
namespace {

constexpr char kServes[] = "serves as leader";

}  // namespace

Fronts::Fronts(size_t count, std::vector<std::string> server_flags, std::string key,
               std::shared_ptr<grpc::ChannelCredentials> credentials)
    : url_(support::SharedPostgres().NewSchema()),
      server_flags_(std::move(server_flags)),
      key_(std::move(key)),
      credentials_(std::move(credentials)),
      fronts_(count) {
  for (size_t index = 0; index < count; ++index) {
    Start(index);
    if (index == 0) Await("the first leader", [this] { return Reigns(0) == 1; });
  }
}

Fronts::~Fronts() {
  if (!::testing::Test::HasFailure()) return;
  for (size_t index = 0; index < size(); ++index) {
    std::fprintf(stderr, "--- front %zu\n%s", index, front(index).Errors().c_str());
  }
  for (const auto& [name, worker] : workers_) {
    std::fprintf(stderr, "--- %s\n%s", name.c_str(), worker->Errors().c_str());
  }
}

void Fronts::Start(size_t index, const std::vector<std::string>& more_flags) {
  Front& front = fronts_.at(index);
  std::vector<std::string> command = {absl::StrCat(MIND_BIN, "/mind-server"),
                                      "--listen",
                                      absl::StrCat("127.0.0.1:", front.port),
                                      "--metrics",
                                      "127.0.0.1:0",
                                      "--store",
                                      url_,
                                      "--leader-lease",
                                      "1500ms",
                                      "--grace",
                                      "3s"};
  for (const auto* const flags : {&server_flags_, &more_flags}) {
    command.insert(command.end(), flags->begin(), flags->end());
  }
  front.process = std::make_unique<support::Process>(
      command, absl::StrCat(folder_.string(), "/front", index, "-", ++starts_));
  const std::string before = "listening on port ";
  const std::string line = front.process->AwaitLine(before);
  front.port = std::atoi(line.c_str() + line.find(before) + before.size());
}

void Fronts::Kill(size_t index, int signal) {
  front(index).Kill(signal);
  front(index).Wait();
}

std::unique_ptr<client::Client> Fronts::NewClient(size_t index) const {
  client::Client::Options options;
  options.server = address(index);
  options.credentials = credentials_;
  options.key = key_;
  return std::make_unique<client::Client>(options);
}

int Fronts::Reigns(size_t index) const {
  const std::vector<std::string> parts = absl::StrSplit(fronts_.at(index).process->Errors(), kServes);
  return static_cast<int>(parts.size()) - 1;
}

void Fronts::LaunchWorker(const std::string& name, size_t front, const std::vector<std::string>& flags) {
  std::vector<std::string> command = {absl::StrCat(MIND_BIN, "/mind-worker"),
                                      "--server",
                                      address(front),
                                      "--metrics",
                                      "127.0.0.1:0",
                                      "--name",
                                      name,
                                      "--models",
                                      MIND_MODELS "/emoji"};
  command.insert(command.end(), flags.begin(), flags.end());
  if (!key_.empty()) command.insert(command.end(), {"--key", key_});
  workers_[name] =
      std::make_unique<support::Process>(command, absl::StrCat(folder_.string(), "/", name, "-", ++starts_));
}

void Fronts::StartWorker(const std::string& name, size_t front, const std::vector<std::string>& flags) {
  LaunchWorker(name, front, flags);
  const auto client = NewClient(front);
  Await("worker " + name, [&] {
    const auto workers = client->Workers();
    return workers.ok() && std::any_of(workers->begin(), workers->end(), [&](const v1::Worker& worker) {
             return worker.name() == name && worker.max_images() > 0;
           });
  });
}

}  // namespace mind::testing
