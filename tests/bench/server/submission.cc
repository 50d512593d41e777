// How many jobs are accepted, one at a time and many.
#include "absl/strings/str_cat.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/server/parts.h"
#include "tests/bench/server/server_process.h"
#include "tests/bench/server/submit.h"
#include "tests/bench/server/sync.h"
#include "tests/bench/statistics.h"

namespace mind::bench {
namespace {

// Few enough that the queue they make plays no part (that is another's).
constexpr size_t kJobs = 1000;

Row Measure(const Setting& setting, int at_once) {
  const MindServer server(setting.server, setting.folder);
  const NullWorker worker({.server = server.address()});  // for its model; it makes nothing
  const double sync = SyncSeconds(setting.folder);
  const double cpu = server.process().CpuSeconds();
  const Submitted done =
      Submit({.server = server.address(), .jobs = kJobs, .at_once = at_once, .limit = setting.limit()});
  const double count = static_cast<double>(done.jobs);
  return {absl::StrCat(at_once, " at once"),
          {count / done.seconds, Median(done.each_seconds) * 1e3, Quantile(done.each_seconds, 0.99) * 1e3,
           sync * 1e3, done.seconds / count / sync, (server.process().CpuSeconds() - cpu) / count * 1e6}};
}

}  // namespace

void MeasureSubmission(const Setting& setting, Report& report) {
  report.Add({.title = "Submitting",
              .what = absl::StrCat("CreateJob over one connection into an empty queue, up to ", kJobs,
                                   " jobs; the worker takes 16 and makes none."),
              .columns = {"calls", "jobs/s", "median, ms", "99th percentile, ms", "a sync, ms",
                          "time a job, in syncs", "server CPU a job, µs"},
              .rows = {Measure(setting, 1), Measure(setting, 64)}});
}

}  // namespace mind::bench
