// What a picture takes that takes no time to make.
#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "client/cpp/client.h"
#include "tests/bench/server/null_worker.h"
#include "tests/bench/server/parts.h"
#include "tests/bench/server/server_process.h"
#include "tests/bench/server/submit.h"
#include "tests/bench/server/sync.h"
#include "tests/bench/statistics.h"
#include "tests/bench/stopwatch.h"

namespace mind::bench {
namespace {

constexpr size_t kPictures = 500;

}  // namespace

void MeasurePictures(const Setting& setting, Report& report) {
  const MindServer server(setting.server, setting.folder);
  NullWorker worker({.server = server.address()});
  worker.Make();
  client::Client client({.server = server.address()});
  const double sync = SyncSeconds(setting.folder);
  std::vector<double> seconds;
  const double cpu = server.process().CpuSeconds();
  for (const Stopwatch all; seconds.size() < kPictures && all.Elapsed() < setting.limit();) {
    const Stopwatch time;
    const absl::StatusOr<v1::Job> job = client.Generate(NullJob(0, 1), {});
    if (!job.ok()) throw std::runtime_error(absl::StrCat("GenerateImage: ", job.status().ToString()));
    seconds.push_back(time.Seconds());
  }
  const double median = Median(seconds);
  const double used = server.process().CpuSeconds() - cpu;
  report.Add(
      {.title = "A picture",
       .what = absl::StrCat("GenerateImage of one step by a worker that is done at once, one after the "
                            "other, up to ",
                            kPictures, "."),
       .columns = {"", "median, ms", "99th percentile, ms", "a sync, ms", "median, in syncs",
                   "server CPU, µs"},
       .rows = {{absl::StrCat(seconds.size(), " pictures"),
                 {median * 1e3, Quantile(seconds, 0.99) * 1e3, sync * 1e3, median / sync,
                  used / static_cast<double>(seconds.size()) * 1e6}}}});
}

}  // namespace mind::bench
