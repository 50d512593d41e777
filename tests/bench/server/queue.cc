// What long queues cost: a submission, a worker's word and a placement while so many jobs wait; then the
// start of a server that finds them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/bench/server/messages.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/server/parts.h"
#include "tests/bench/server/server_process.h"
#include "tests/bench/server/submit.h"
#include "tests/bench/statistics.h"
#include "tests/bench/stopwatch.h"

namespace mind::bench {
namespace {

constexpr size_t kProbes = 100;  // submissions that are timed
constexpr int kFillers = 64;

// A server, its worker, and how many jobs wait.
class Queue {
 public:
  explicit Queue(const Setting& setting)
      : setting_(setting),
        server_(setting.server, setting.folder),
        empty_mebibytes_(server_.process().ResidentMebibytes()) {
    worker_ = std::make_unique<NullWorker>(NullWorker::Options{.server = server_.address()});
  }

  // Jobs that wait or are held by the worker.
  size_t unfinished() const { return submitted_ - worker_->taken(); }

  void Fill(size_t jobs) {
    if (jobs <= unfinished()) return;
    submitted_ += Submit({.server = server_.address(),
                          .jobs = jobs - unfinished(),
                          .at_once = kFillers,
                          .limit = setting_.preparation(),
                          .steps = kMostSteps})
                      .jobs;
  }

  Row Measure() {
    const size_t jobs = unfinished();
    const double cpu = server_.process().CpuSeconds();
    const Submitted probes = Submit(
        {.server = server_.address(), .jobs = kProbes, .limit = setting_.limit(), .steps = kMostSteps});
    const double job_cpu = (server_.process().CpuSeconds() - cpu) / static_cast<double>(probes.jobs);
    submitted_ += probes.jobs;
    const Cost word = CostOfProgress({worker_.get()}, server_.process(), setting_.limit());
    const Drained drained = Drain();
    return {absl::StrCat(jobs),
            {Median(probes.each_seconds) * 1e3, job_cpu * 1e6, 1e6 / word.messages_a_second,
             word.cpu_seconds * 1e6, drained.pictures_a_second, drained.cpu_seconds * 1e6}};
  }

  Row MeasureRestart() {
    const size_t jobs = unfinished();
    const double before = server_.process().ResidentMebibytes();
    const Stopwatch time;
    server_.Restart(std::max(absl::Minutes(2), setting_.preparation()));
    const double seconds = time.Seconds();
    const double after = server_.process().ResidentMebibytes();
    return {absl::StrCat(jobs),
            {seconds, before, after, (after - empty_mebibytes_) * 1024 / static_cast<double>(jobs)}};
  }

 private:
  struct Drained {
    double pictures_a_second = 0;
    double cpu_seconds = 0;  // of the server, a picture
  };

  // Until half of the queue is made, so that it stays about as long as it was.
  Drained Drain() {
    const uint64_t before = worker_->taken();
    const double cpu = server_.process().CpuSeconds();
    const Stopwatch time;
    worker_->Make();
    worker_->AwaitTaken(before + unfinished() / 2, setting_.limit());
    const double pictures = static_cast<double>(worker_->taken() - before);
    const Drained drained{pictures / time.Seconds(), (server_.process().CpuSeconds() - cpu) / pictures};
    worker_->Hold();
    worker_->Ping();
    return drained;
  }

  const Setting& setting_;
  MindServer server_;
  const double empty_mebibytes_;
  std::unique_ptr<NullWorker> worker_;
  size_t submitted_ = 0;
};

}  // namespace

void MeasureQueue(const Setting& setting, Report& report) {
  std::vector<size_t> sizes = {300, 1000, 10'000};
  if (setting.large) sizes.insert(sizes.end(), {100'000, 1'000'000});
  Queue queue(setting);
  std::vector<Row> rows;
  for (const size_t size : sizes) {
    queue.Fill(size);
    rows.push_back(queue.Measure());
  }
  report.Add({.title = "Long queues",
              .what = absl::StrCat(
                  "While so many jobs wait (fewer than meant where filling took longer than ",
                  absl::FormatDuration(setting.preparation()),
                  "): CreateJob, one after the other; progress that a worker tells; then pictures that one "
                  "worker of 16 places makes, until half are made or ",
                  absl::FormatDuration(setting.limit()), " are over."),
              .columns = {"jobs", "CreateJob, median, ms", "its server CPU, µs", "progress, µs",
                          "its server CPU, µs", "pictures/s", "server CPU a picture, µs"},
              .rows = rows});
  queue.Fill(sizes.back());
  report.Add({.title = "Restarting",
              .what = "kill -9 and start with so many jobs: until it listens; its resident memory before and "
                      "after.",
              .columns = {"jobs", "start, s", "before, MiB", "after, MiB", "after, KiB a job"},
              .rows = {queue.MeasureRestart()}});
}

}  // namespace mind::bench
