// What many workers with many models cost.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/bench/server/messages.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/server/parts.h"
#include "tests/bench/server/server_process.h"
#include "tests/bench/server/submit.h"
#include "tests/bench/stopwatch.h"

namespace mind::bench {
namespace {

constexpr int kModels = 13;
constexpr size_t kQueue = 1000;
constexpr uint32_t kPlaces = 4;  // of a worker
constexpr absl::Duration kPoll = absl::Milliseconds(5);

using Workers = std::vector<std::unique_ptr<NullWorker>>;

uint64_t Taken(const Workers& workers) {
  uint64_t taken = 0;
  for (const auto& worker : workers) taken += worker->taken();
  return taken;
}

// Until half of the queue is made. Of a picture, a worker tells three things: begun, moved on, done.
Cost CostOfPictures(const Workers& workers, const ServerProcess& server, absl::Duration limit) {
  const double cpu = server.CpuSeconds();
  const Stopwatch time;
  for (const auto& worker : workers) worker->Make();
  const uint64_t enough = workers.size() * kPlaces + kQueue / 2;
  while (Taken(workers) < enough && time.Elapsed() < limit) absl::SleepFor(kPoll);
  const double seconds = time.Seconds();
  const double messages = 3 * static_cast<double>(Taken(workers));
  return {messages / seconds, (server.CpuSeconds() - cpu) / messages};
}

void Measure(const Setting& setting, int count, std::vector<Row>& rows) {
  const MindServer server(setting.server, setting.folder, {absl::StrCat("--max-queue=", kQueue)});
  Workers workers;
  std::vector<NullWorker*> all;
  for (int i = 0; i < count; ++i) {
    workers.push_back(std::make_unique<NullWorker>(NullWorker::Options{.server = server.address(),
                                                                       .name = absl::StrCat("null-", i),
                                                                       .models = kModels,
                                                                       .max_images = kPlaces}));
    all.push_back(workers.back().get());
  }
  Submission jobs{.server = server.address(), .at_once = 64, .models = kModels, .steps = kMostSteps};
  jobs.jobs = workers.size() * kPlaces;
  Submit(jobs);
  for (NullWorker* const worker : all) worker->Ping();
  jobs.jobs = kQueue;
  Submit(jobs);
  const std::string size = absl::StrCat(count, " × ", kModels);
  const auto add = [&](const char* what, const Cost& cost) {
    rows.push_back({absl::StrCat(size, ", ", what), {cost.messages_a_second, cost.cpu_seconds * 1e6}});
  };
  add("progress", CostOfProgress(all, server.process(), setting.limit()));
  add("capacity", CostOfCapacity(all, server.process(), setting.limit()));
  add("pictures", CostOfPictures(workers, server.process(), setting.limit()));
}

}  // namespace

void MeasureWorkers(const Setting& setting, Report& report) {
  std::vector<Row> rows;
  Measure(setting, 50, rows);
  if (setting.large) Measure(setting, 500, rows);
  report.Add({.title = "Many workers",
              .what = absl::StrCat("Workers × models, each worker ", kPlaces,
                                   " places and as many pictures, ", kQueue,
                                   " jobs in the full queue: messages the server takes of all workers "
                                   "together. A picture is three: begun, moved on, done."),
              .columns = {"workers × models, message", "messages/s", "server CPU a message, µs"},
              .rows = rows});
}

}  // namespace mind::bench
