// How fast pages become durable.
#include "tests/bench/server/parts.h"
#include "tests/bench/server/sync.h"
#include "tests/bench/statistics.h"
#include "tests/support/temporary_folder.h"

namespace mind::bench {

void MeasureDisk(const Setting& setting, Report& report) {
  constexpr int kSyncs = 200;
  const support::TemporaryFolder own(setting.folder);
  const std::vector<double> appended = Syncs(own / "pages", kSyncs);
  const std::vector<double> written_over = Syncs(own / "pages", kSyncs);
  const auto row = [](const char* what, const std::vector<double>& seconds) -> Row {
    return {what, {Median(seconds) * 1e3, Quantile(seconds, 0.99) * 1e3}};
  };
  report.Add({.title = "The disk",
              .what = "4 KiB and fdatasync, 200 times, where the servers' data are.",
              .columns = {"", "median, ms", "99th percentile, ms"},
              .rows = {row("appended", appended), row("written over", written_over)}});
}

}  // namespace mind::bench
