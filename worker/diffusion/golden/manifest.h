// Whether a golden directory was replayed as a whole.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_MANIFEST_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_MANIFEST_H_

#include <filesystem>

#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {

// To be called after all suites. Reports as failures: a case that an index (schedulers/index.json,
// e2e/index.json) lists and nobody ran; a record in schedulers/ or e2e/ that belongs to no case (components/
// is run by its indices and its records in any case); a suite with fewer cases than manifest.json says,
// {"e2e": 21, …}, where there is one. Parts of the directory that no suite replays are reported as
// unsupported. Cases that `options` leaves out are not missed.
void CheckComplete(const GoldenOptions& options, Report& report);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_MANIFEST_H_
