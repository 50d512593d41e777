// How long a preview takes to all who watch, beside the least that gRPC could do.
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "tests/bench/server/bare_server.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/server/parts.h"
#include "tests/bench/server/previews.h"
#include "tests/bench/server/server_process.h"
#include "tests/bench/server/submit.h"
#include "tests/bench/server/watchers.h"
#include "tests/bench/statistics.h"
#include "tests/bench/stopwatch.h"
#include "tests/support/temporary_folder.h"

namespace mind::bench {
namespace {

constexpr uint32_t kRounds = 30;
constexpr int kTurns = 2;  // of each server, in turns: the machine may change

struct Measured {
  std::vector<double> seconds;  // of a preview, to all
  double cpu_seconds = 0;       // of the server, for all of them
  double loop_held = 0;         // things the server's loop has done since it began
  double loop_held_long = 0;    // of them, those that took more than a millisecond
};

void Reach(const ServerProcess& server, NullWorker& worker, const v1::ImageRef& image, size_t count,
           absl::Duration limit, Measured& measured) {
  Watchers watchers(server.address(), image.job_id(), count);
  double cpu = 0;
  const Stopwatch all;
  for (uint32_t step = 1; step <= kRounds && (step <= 2 || all.Elapsed() < limit); ++step) {
    if (step == 2) cpu = server.CpuSeconds();  // the first warms up
    watchers.ExpectPreview(step);
    const Stopwatch time;
    worker.Send(PreviewOf(image, step));
    watchers.AwaitPreview();
    if (step > 1) measured.seconds.push_back(time.Seconds());
  }
  measured.cpu_seconds += server.CpuSeconds() - cpu;
}

void ReachThroughMind(const Setting& setting, size_t count, Measured& measured) {
  const MindServer server(setting.server, setting.folder);
  NullWorker worker({.server = server.address()});
  Submit({.server = server.address(), .jobs = 1, .steps = 1000});
  worker.Ping();
  const std::vector<NullWorker::Picture> held = worker.held();
  if (held.empty()) throw std::runtime_error("the job was not given to the worker");
  v1::ConnectRequest started;
  *started.mutable_image_started()->mutable_image() = held.front().image;
  worker.Send(std::move(started));
  Reach(server.process(), worker, held.front().image, count, setting.limit(), measured);
  const double things = server.process().Metric("mind_loop_held_seconds_count");
  measured.loop_held += things;
  measured.loop_held_long += things - server.process().Metric("mind_loop_held_seconds_bucket{le=\"0.001\"}");
}

void ReachThroughBare(const Setting& setting, size_t count, Measured& measured) {
  const support::TemporaryFolder folder(setting.folder);
  const ServerProcess server({setting.program, "bare-server"}, (folder / "bare").string());
  NullWorker worker({.server = server.address()});
  v1::ImageRef image;
  image.set_job_id(kBareJob);
  image.set_attempt(1);
  Reach(server, worker, image, count, setting.limit(), measured);
}

Row Measure(const Setting& setting, size_t count) {
  Measured mind, bare;
  for (int turn = 0; turn < kTurns; ++turn) {
    ReachThroughBare(setting, count, bare);
    ReachThroughMind(setting, count, mind);
  }
  const auto cpu = [count](const Measured& measured) {
    return measured.cpu_seconds / static_cast<double>(measured.seconds.size() * count);
  };
  const double mind_seconds = Median(mind.seconds), bare_seconds = Median(bare.seconds);
  return {absl::StrCat(count),
          {mind_seconds * 1e3, bare_seconds * 1e3, mind_seconds / bare_seconds, cpu(mind) * 1e6,
           cpu(bare) * 1e6, cpu(mind) / cpu(bare), mind.loop_held, mind.loop_held_long}};
}

}  // namespace

void MeasureWatchers(const Setting& setting, Report& report) {
  std::vector<size_t> counts = {100, 1000};
  if (setting.large) counts.push_back(10'000);
  AllowFiles(counts.back());
  std::vector<Row> rows;
  for (const size_t count : counts) rows.push_back(Measure(setting, count));
  report.Add(
      {.title = "Many who watch",
       .what = absl::StrCat("A preview of 4 KiB, from the worker to all who watch one job, each on a "
                            "connection of its own: beside a bare gRPC server that does nothing else, in "
                            "turns, median of up to ",
                            kTurns * (kRounds - 1), " previews."),
       .columns = {"watchers", "mind-server, ms", "bare, ms", "ratio", "server CPU a watcher, µs", "bare, µs",
                   "ratio", "things the loop did", "longer than 1 ms"},
       .rows = rows});
}

}  // namespace mind::bench
