// The groups of cases in a golden directory. Each reads its part of the directory, whose layout and
// conventions its README.md specifies, and reports every case in it; a part that is absent has no cases,
// which manifest.h takes note of.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_SUITES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_SUITES_H_

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "worker/diffusion/golden/report.h"
#include "worker/diffusion/weights/parameters.h"

namespace mind::diffusion {

struct GoldenOptions {
  std::filesystem::path directory;
  at::Device device = at::kCPU;
  bool channels_last = false;
  Precision precision = Precision::kFloat32;
  std::string filter;               // only cases whose name holds this
  std::vector<std::string> except;  // no cases whose names hold one of these
  bool only_latent_models = false;  // of the cases in e2e/

  FileParameters::Options parameters() const { return {precision, device, channels_last}; }
  bool Wants(const std::string& name) const {
    return name.find(filter) != std::string::npos &&
           std::none_of(except.begin(), except.end(),
                        [&name](const std::string& text) { return name.find(text) != std::string::npos; });
  }
};

// Everything in a directory.
void RunAllCases(const GoldenOptions& options, Report& report);
// One evaluation of each network.
void RunNetworkCases(const GoldenOptions& options, Report& report);
// Whole pictures, and networks with adapters.
void RunNetworkPictureCases(const GoldenOptions& options, Report& report);

void RunComponentCases(const GoldenOptions& options, Report& report);
void RunPrimitiveCases(const GoldenOptions& options, Report& report);
void RunPictureCases(const GoldenOptions& options, Report& report);
void RunCaptionCases(const GoldenOptions& options, Report& report);
void RunTokenizerCases(const GoldenOptions& options, Report& report);
void RunSamplerCases(const GoldenOptions& options, Report& report);
void RunEndToEndCases(const GoldenOptions& options, Report& report);
void RunSdeCases(const GoldenOptions& options, Report& report);
void RunNoiseCases(const GoldenOptions& options, Report& report);
void RunFormatCases(const GoldenOptions& options, Report& report);
void RunLoraCases(const GoldenOptions& options, Report& report);
void RunMixedBatchCases(const GoldenOptions& options, Report& report);
void RunPromptCases(const GoldenOptions& options, Report& report);
void RunLoraKindCases(const GoldenOptions& options, Report& report);
void RunSingleFileCases(const GoldenOptions& options, Report& report);
void RunControlNameCases(const GoldenOptions& options, Report& report);
void RunPreprocessCases(const GoldenOptions& options, Report& report);

// Records in components/ that are suites of their own.
inline constexpr char kPrimitives[] = "primitives", kImageProcessing[] = "image_processing";

// A JSON file of any kind (lists too), with Python's non-finite numbers read as null. Throws Error.
nlohmann::json ReadGoldenJson(const std::filesystem::path& path);
// The files in a folder with this extension (".json"), in order; none if there is no such folder.
std::vector<std::filesystem::path> FilesIn(const std::filesystem::path& folder, const std::string& extension);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_SUITES_H_
