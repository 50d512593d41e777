// What the disk itself takes to make a page durable: what is on it before it is told is no faster. A log that
// has its size already, as SQLite's has after its first checkpoint, is written over.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "tests/bench/server/parts.h"
#include "tests/bench/statistics.h"
#include "tests/bench/stopwatch.h"
#include "tests/support/temporary_folder.h"

namespace mind::bench {
namespace {

constexpr int kSyncs = 200;
constexpr size_t kPage = 4096;

// Seconds that each takes from the beginning of the file on: the first time they make it grow.
std::vector<double> Syncs(const std::filesystem::path& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string page(kPage, 'x');
  std::vector<double> seconds;
  for (int i = 0; i < kSyncs; ++i) {
    const Stopwatch time;
    if (write(file, page.data(), page.size()) != static_cast<ssize_t>(page.size()) || fdatasync(file) != 0)
      throw std::system_error(errno, std::generic_category(), path);
    seconds.push_back(time.Seconds());
  }
  close(file);
  return seconds;
}

}  // namespace

double MeasureSync(const std::string& folder, Report& report) {
  const support::TemporaryFolder own(folder);
  const std::vector<double> appended = Syncs(own / "pages"), written_over = Syncs(own / "pages");
  const auto row = [](const char* what, const std::vector<double>& seconds) -> Row {
    return {what, {Median(seconds) * 1e3, Quantile(seconds, 0.99) * 1e3}};
  };
  report.Add({.title = "The disk",
              .what = "4 KiB and fdatasync, 200 times, where the servers' data are.",
              .columns = {"", "median, ms", "99th percentile, ms"},
              .rows = {row("appended", appended), row("written over", written_over)}});
  return Median(written_over);
}

}  // namespace mind::bench
