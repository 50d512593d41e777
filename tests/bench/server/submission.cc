// How many jobs are accepted, one at a time and many, on the disk and where nothing is synced.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/server/parts.h"
#include "tests/bench/server/server_process.h"
#include "tests/bench/server/submit.h"
#include "tests/bench/server/sync.h"
#include "tests/bench/statistics.h"

namespace mind::bench {
namespace {

constexpr char kMemoryFolder[] = "/dev/shm";
constexpr int kSubmitTurns = 7;  // of each folder, in turns: the machine may change
constexpr size_t kJobsATurn =
    3000;  // a turn: few enough that the queue they make plays no part (that is another's)

struct Submissions {
  std::vector<double> jobs_a_second;  // a turn each
  std::vector<double> seconds;        // of every call
  std::vector<double> syncs;
  std::vector<double> cpu_seconds;  // the server's, a job
};

void MeasureTurn(const Setting& setting, const std::string& folder, int at_once, Submissions& measured) {
  const MindServer server(setting.server, folder);
  const NullWorker worker({.server = server.address()});  // for its model; it makes nothing
  measured.syncs.push_back(SyncSeconds(folder));
  const auto submit = [&](size_t jobs) {
    return Submit({.server = server.address(), .jobs = jobs, .at_once = at_once, .limit = setting.limit()});
  };
  submit(kJobsATurn / 10);  // warms up
  const double cpu = server.process().CpuSeconds();
  const Submitted done = submit(kJobsATurn);
  const double count = static_cast<double>(done.jobs);
  measured.jobs_a_second.push_back(count / done.seconds);
  measured.cpu_seconds.push_back((server.process().CpuSeconds() - cpu) / count);
  measured.seconds.insert(measured.seconds.end(), done.each_seconds.begin(), done.each_seconds.end());
}

Row SubmissionRow(const std::string& label, const Submissions& measured, double unsynced) {
  const double jobs = Median(measured.jobs_a_second), sync = Median(measured.syncs);
  return {label,
          {jobs, Median(measured.seconds) * 1e3, Quantile(measured.seconds, 0.99) * 1e3, sync * 1e3,
           1 / jobs / sync, Median(measured.cpu_seconds) * 1e6, jobs / unsynced}};
}

void AddSubmissionRows(const Setting& setting, int at_once, std::vector<Row>& rows) {
  Submissions disk, memory;
  for (int turn = 0; turn < kSubmitTurns; ++turn) {
    MeasureTurn(setting, setting.folder, at_once, disk);
    MeasureTurn(setting, kMemoryFolder, at_once, memory);
  }
  const double unsynced = Median(memory.jobs_a_second);
  rows.push_back(SubmissionRow(absl::StrCat(at_once, " at once"), disk, unsynced));
  rows.push_back(SubmissionRow(absl::StrCat(at_once, " at once, in memory"), memory, unsynced));
}

}  // namespace

void MeasureSubmission(const Setting& setting, Report& report) {
  std::vector<Row> rows;
  for (const int at_once : {1, 64}) AddSubmissionRows(setting, at_once, rows);
  report.Add({.title = "Submitting",
              .what = absl::StrCat(
                  "CreateJob over one connection into an empty queue, ", kSubmitTurns, " times up to ",
                  kJobsATurn, " jobs, on the disk and in memory (", kMemoryFolder,
                  ", where nothing is synced) in turns; the worker takes 16 and makes none. Medians."),
              .columns = {"calls", "jobs/s", "median, ms", "99th percentile, ms", "a sync, ms",
                          "time a job, in syncs", "server CPU a job, µs", "of the rate in memory"},
              .rows = rows});
}

}  // namespace mind::bench
