// How many processors this process may use, in a container too.
#ifndef MIND_WORKER_DIFFUSION_PROCESSORS_H_
#define MIND_WORKER_DIFFUSION_PROCESSORS_H_

#include <filesystem>
#include <optional>

namespace mind {

// The processors this process may be scheduled on, or fewer where its control groups' quota (version 1 or 2)
// allows less of their time, rounded up. At least 1.
int UsableProcessors();

// The quota alone, in processors; nothing if there is none. `root` stands in for "/".
std::optional<double> ProcessorQuota(const std::filesystem::path& root);

}  // namespace mind

#endif  // MIND_WORKER_DIFFUSION_PROCESSORS_H_
