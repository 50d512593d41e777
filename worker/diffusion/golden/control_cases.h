// What steers a UNet, in components/: ControlNets and T2I-Adapters alone, and UNets with what was added to
// them.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_CONTROL_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_CONTROL_CASES_H_

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/models/control.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// One ControlNet or more, whose additions are summed; or one adapter.
struct ControlCase {
  std::vector<std::filesystem::path> networks;  // their directories
  nlohmann::json
      arguments;  // what the record says that they were called with: conditioning_scale, guess_mode
  const Record& record;
  FileParameters::Options options;
};

// Null: a directory with this configuration holds no such network.
using ControlCheck = void (*)(const ControlCase&, Report::Case&);
ControlCheck ControlCheckFor(const Config& config);

// Tells a UNet's case what was recorded as added inside it ("in.residual.0", "in.feature.0"), if anything
// was. The result must live as long as what was told.
std::unique_ptr<const ControlNetwork> TellRecorded(const Record& record, Told& told);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_CONTROL_CASES_H_
