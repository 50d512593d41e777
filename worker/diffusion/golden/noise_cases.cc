// formats/noise: what torch's CPU generator draws for a seed, in single draws and in sequences of them.
#include <ATen/CPUGeneratorImpl.h>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {
namespace {

// Vector and scalar code paths differ by 2e-6 (golden README); half precision is rounded to its own type.
constexpr double kDrawTolerance = 1e-5;

at::ScalarType DtypeOf(const nlohmann::json& draw) {
  const std::string name = draw.at("dtype");
  if (name == "float32") return at::kFloat;
  if (name == "float64") return at::kDouble;
  if (name == "float16") return at::kHalf;
  if (name == "bfloat16") return at::kBFloat16;
  throw UnsupportedError("draws of type " + name);
}

// The next draw. Ours are float32; of another type, the generator is used where ours stands, and ours goes on
// from where it then is.
at::Tensor Next(SeededNoise& noise, const nlohmann::json& draw) {
  const auto shape = draw.at("shape").get<std::vector<int64_t>>();
  const at::ScalarType dtype = DtypeOf(draw);
  if (dtype == at::kFloat) return noise.Draw(shape);
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{0});
  generator.set_state(noise.State());
  const at::Tensor drawn = at::randn(shape, generator, at::TensorOptions().dtype(dtype));
  noise.Restore(generator.get_state());
  return drawn;
}

}  // namespace

void RunNoiseCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "formats" / "noise";
  if (!std::filesystem::exists(folder / "index.json")) return;
  const Record record(folder / "randn.safetensors");
  const nlohmann::json index = ReadGoldenJson(folder / "index.json");
  const auto run = [&](const std::string& name, uint64_t seed, const nlohmann::json& draws) {
    if (!options.Wants(name)) return;
    report.Run(name, [&](Report::Case& result) {
      SeededNoise noise(seed);
      for (const auto& draw : draws) {
        const std::string tensor = draw.at("tensor");
        result.Compare(tensor, Next(noise, draw), record.Get(tensor), kDrawTolerance);
      }
    });
  };
  for (const auto& item : index.at("single")) {
    run("noise/" + item.at("tensor").get<std::string>(), item.at("seed").get<uint64_t>(),
        nlohmann::json::array({item}));
  }
  for (const auto& item : index.at("sequences")) {
    run("noise/sequence of " + item.at("seed_text").get<std::string>(),
        std::stoull(item.at("seed_text").get<std::string>()), item.at("draws"));
  }
  if (!options.filter.empty()) return;
  for (const std::string& name : record.Unused())
    report.Fail("noise/" + name, "recorded and used by nothing");
}

}  // namespace mind::diffusion
