#include "tests/bench/server/sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "tests/bench/statistics.h"
#include "tests/bench/stopwatch.h"
#include "tests/support/temporary_folder.h"

namespace mind::bench {
namespace {

constexpr size_t kPage = 4096;
constexpr int kSome = 50;

}  // namespace

std::vector<double> Syncs(const std::filesystem::path& file, int count) {
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  const std::string page(kPage, 'x');
  std::vector<double> seconds;
  for (int i = 0; i < count; ++i) {
    const Stopwatch time;
    if (write(fd, page.data(), page.size()) != static_cast<ssize_t>(page.size()) || fdatasync(fd) != 0)
      throw std::system_error(errno, std::generic_category(), file);
    seconds.push_back(time.Seconds());
  }
  close(fd);
  return seconds;
}

double SyncSeconds(const std::string& folder) {
  const support::TemporaryFolder own(folder);
  Syncs(own / "pages", kSome);
  return Median(Syncs(own / "pages", kSome));
}

}  // namespace mind::bench
