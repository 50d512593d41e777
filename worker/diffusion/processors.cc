#include "worker/diffusion/processors.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace mind {
namespace {

namespace fs = std::filesystem;

// "max 100000" or "150000 100000".
std::optional<double> QuotaOfVersion2(const fs::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0, period = 0;  // not read where it says "max"
  return file >> quota >> period && quota > 0 && period > 0 ? std::optional(quota / period) : std::nullopt;
}

// -1 is none.
std::optional<double> QuotaOfVersion1(const fs::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  return quota_file >> quota && period_file >> period && quota > 0 && period > 0
             ? std::optional(quota / period)
             : std::nullopt;
}

// The least along the way from `group` up to `mount`. Inside a container the group's own path may not be
// mounted: what is above it then is the container's.
template <typename Read>
void TakeLeast(const fs::path& mount, const std::string& group, Read read, std::optional<double>& least) {
  fs::path path = fs::path(group).relative_path();
  for (;; path = path.parent_path()) {
    if (const auto quota = read(mount / path)) least = std::min(least.value_or(*quota), *quota);
    if (path.empty()) return;
  }
}

}  // namespace

std::optional<double> ProcessorQuota(const fs::path& root) {
  std::optional<double> least;
  const fs::path mount = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // number:controllers:path
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      TakeLeast(mount, group, QuotaOfVersion2, least);
      continue;
    }
    std::istringstream names(controllers);
    for (std::string name; std::getline(names, name, ',');) {
      if (name != "cpu") continue;
      for (const std::string& folder : {controllers, name}) {
        if (fs::exists(mount / folder)) TakeLeast(mount / folder, group, QuotaOfVersion1, least);
      }
    }
  }
  return least;
}

int UsableProcessors() {
  int count = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t set;
  // Fails on machines of more than 1024 processors: then all there are count.
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
  if (const auto quota = ProcessorQuota("/")) count = std::min(count, static_cast<int>(std::ceil(*quota)));
  return std::max(count, 1);
}

}  // namespace mind
