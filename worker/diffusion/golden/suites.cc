#include "worker/diffusion/golden/suites.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/flux_cases.h"
#include "worker/diffusion/golden/manifest.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

// A suite whose index cannot be read fails; it does not end the run.
void RunSuite(const char* name, void (*run)(const GoldenOptions&, Report&), const GoldenOptions& options,
              Report& report) {
  try {
    run(options, report);
  } catch (const UnsupportedError& e) {
    report.Unsupported(name, e.what());
  } catch (const nlohmann::json::exception& e) {
    report.Unsupported(name, std::string("a form of index: ") + e.what());
  } catch (const c10::Error& e) {
    report.Fail(name, e.what_without_backtrace());
  } catch (const std::exception& e) {
    report.Fail(name, e.what());
  }
}

}  // namespace

void RunNetworkCases(const GoldenOptions& options, Report& report) {
  RunSuite("components", RunComponentCases, options, report);
}

void RunNetworkPictureCases(const GoldenOptions& options, Report& report) {
  RunSuite("e2e", RunEndToEndCases, options, report);
  RunSuite("formats/lora", RunLoraCases, options, report);
  RunSuite("lora", RunLoraKindCases, options, report);
}

void RunAllCases(const GoldenOptions& options, Report& report) {
  RunNetworkCases(options, report);
  RunNetworkPictureCases(options, report);
  RunSuite("primitives", RunPrimitiveCases, options, report);
  RunSuite("image_processing", RunPictureCases, options, report);
  RunSuite("captions", RunCaptionCases, options, report);
  RunSuite("tokenizers", RunTokenizerCases, options, report);
  RunSuite("prompts", RunPromptCases, options, report);
  RunSuite("single_file", RunSingleFileCases, options, report);
  RunSuite("single", RunControlNameCases, options, report);
  RunSuite("preprocess", RunPreprocessCases, options, report);
  RunSuite("schedulers", RunSamplerCases, options, report);
  RunSuite("formats/sde", RunSdeCases, options, report);
  RunSuite("formats/noise", RunNoiseCases, options, report);
  RunSuite("formats", RunFormatCases, options, report);
  RunSuite("formats/quantized", RunFluxFormatCases, options, report);
  RunSuite("formats/batch", RunMixedBatchCases, options, report);
  if (options.filter.empty()) CheckComplete(options, report);
}

nlohmann::json ReadGoldenJson(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(path.string() + ": missing or unreadable");
  std::ostringstream text;
  text << file.rdbuf();
  // Wrapped, since the parser for Python's dialect wants an object and indices are lists.
  return ParsePythonJson("{\"file\":" + text.str() + "}", path.string()).at("file");
}

std::vector<std::filesystem::path> FilesIn(const std::filesystem::path& folder,
                                           const std::string& extension) {
  std::vector<std::filesystem::path> files;
  if (!std::filesystem::is_directory(folder)) return files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == extension) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace mind::diffusion
