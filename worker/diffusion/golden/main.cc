// mind-golden DIR [--device cpu|cuda:N] [--filter TEXT]
//
// Checks every network, tokenizer, sampler and pipeline against numbers recorded from the reference
// implementations. DIR is laid out as its own README.md says. Prints a line a case and ends with "N passed, M
// failed, K unsupported"; exits with 1 if any case failed, 2 if the command line is wrong.
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

nlohmann::json ReadGoldenJson(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(path.string() + ": missing or unreadable");
  std::ostringstream text;
  text << file.rdbuf();
  // Wrapped, since the parser for Python's dialect wants an object and indices are lists.
  return ParsePythonJson("{\"file\":" + text.str() + "}", path.string()).at("file");
}

}  // namespace mind::diffusion

int main(int argc, char** argv) {
  using namespace mind::diffusion;
  GoldenOptions options;
  for (int i = 1; i < argc; ++i) {
    const bool has_value = i + 1 < argc;
    if (std::strcmp(argv[i], "--device") == 0 && has_value) {
      try {
        options.device = at::Device(argv[++i]);
      } catch (const c10::Error&) {
        std::fprintf(stderr, "mind-golden: --device %s: not a device; allowed: cpu, cuda:N\n", argv[i]);
        return 2;
      }
    } else if (std::strcmp(argv[i], "--filter") == 0 && has_value) {
      options.filter = argv[++i];
    } else if (argv[i][0] != '-' && options.directory.empty()) {
      options.directory = argv[i];
    } else {
      options.directory.clear();
      break;
    }
  }
  if (options.directory.empty()) {
    std::fprintf(stderr, "usage: mind-golden DIR [--device cpu|cuda:N] [--filter TEXT]\n");
    return 2;
  }
  if (!std::filesystem::is_directory(options.directory)) {
    std::fprintf(stderr, "mind-golden: %s: not a directory\n", options.directory.c_str());
    return 2;
  }
  Report report;
  try {
    RunPrimitiveCases(options, report);
    RunComponentCases(options, report);
    RunPictureCases(options, report);
    RunTokenizerCases(options, report);
    RunSamplerCases(options, report);
    RunEndToEndCases(options, report);
    RunSdeCases(options, report);
    RunNoiseCases(options, report);
    RunFormatCases(options, report);
    RunMixedBatchCases(options, report);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mind-golden: %s\n", e.what());
    return 1;
  }
  report.PrintSummary();
  return report.ok() ? 0 : 1;
}
