#include "worker/diffusion/golden/manifest.h"

#include <set>

#include "worker/diffusion/golden/suites.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

// What a golden directory and its formats/ may hold: the suites, and what they read.
const std::set<std::string> kParts = {
    "adapters",    "captions",          "components", "controlnets", "e2e",        "encode",     "formats",
    "ip-adapters", "language",          "lora",       "models",      "preprocess", "schedulers", "single",
    "single_file", "textual_inversion", "tokenizers", "vocab"};
const std::set<std::string> kFormats = {"batch",     "lora", "mindspore",   "noise",
                                        "quantized", "sde",  "single_file", "srgan"};

void CheckParts(const fs::path& folder, const std::set<std::string>& known, Report& report) {
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() && known.count(name) == 0)
      report.Unsupported(name, "a folder that no suite replays");
  }
}

// Of a suite whose cases are a JSON file and a record of one name each, and whose index lists them.
void CheckIndexed(const GoldenOptions& options, const std::string& suite, Report& report) {
  const fs::path folder = options.directory / suite;
  if (fs::exists(folder / "index.json")) {
    for (const auto& item : ReadGoldenJson(folder / "index.json")) {
      const std::string name = suite + "/" + item.at("name").get<std::string>();
      if (!report.HasRun(name) && options.Wants(name))
        report.Fail(name, "listed in " + suite + "/index.json, but there is no such case");
    }
  }
  for (const fs::path& record : FilesIn(folder, ".safetensors")) {
    const std::string name = suite + "/" + record.stem().string();
    if (!report.HasRun(name) && options.Wants(name))
      report.Fail(name, "a record without the JSON file that says what it is of");
  }
}

}  // namespace

void CheckComplete(const GoldenOptions& options, Report& report) {
  const fs::path& directory = options.directory;
  CheckParts(directory, kParts, report);
  CheckParts(directory / "formats", kFormats, report);
  CheckIndexed(options, "schedulers", report);
  CheckIndexed(options, "e2e", report);
  const fs::path manifest = directory / "manifest.json";
  if (!fs::exists(manifest)) return;
  const std::map<std::string, int64_t> cases = report.cases();
  const nlohmann::json counts = ReadGoldenJson(manifest);
  for (const auto& [suite, count] : counts.items()) {
    const auto found = cases.find(suite);
    const int64_t run = found == cases.end() ? 0 : found->second;
    if (run < count.get<int64_t>()) {
      report.Fail(suite, std::to_string(run) + " cases, where manifest.json says " +
                             std::to_string(count.get<int64_t>()));
    }
  }
}

}  // namespace mind::diffusion
