// formats/noise: what torch's CPU generator draws for a seed.
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/samplers/noise_source.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

constexpr double kTolerance = 1e-5;  // golden README: vector and scalar code paths differ by 2e-6

}  // namespace

void RunNoiseCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "formats" / "noise";
  if (!std::filesystem::exists(folder)) return;
  const SafeTensors record = SafeTensors::Open((folder / "randn.safetensors").string());
  const nlohmann::json index = ReadGoldenJson(folder / "index.json");
  for (const auto& item : index.at("single")) {
    const std::string tensor = item.at("tensor");
    const std::string name = "noise/" + tensor;
    if (item.at("dtype") != "float32" || name.find(options.filter) == std::string::npos) continue;
    report.Run(name, [&](Report::Case& result) {
      SeededNoise noise(item.at("seed").get<uint64_t>());
      const auto shape = item.at("shape").get<std::vector<int64_t>>();
      result.Compare("draw", noise.Draw(shape), record.Get(tensor), kTolerance);
    });
  }
}

}  // namespace mind::diffusion
