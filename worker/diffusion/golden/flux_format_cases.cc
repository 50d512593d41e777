// FLUX.1's transformer in other files than diffusers': under its authors' names, quantised, and with LoRAs.
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/flux_cases.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/pipelines/adapter_library.h"
#include "worker/diffusion/weights/names/flux_names.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr char kOriginal[] = "-original";

void CheckQuantized(const nlohmann::json& item, const fs::path& folder, const GoldenOptions& options,
                    Report::Case& result) {
  const std::string name = item.at("name");
  const NamedTensors stored = ReadWeights((folder / item.at("files").at(0).get<std::string>()).string());
  FileParameters weights(FromOriginalFlux(stored), options.parameters());
  const FluxTransformer transformer(Scope(weights),
                                    FluxConfig::From(Config::FromFile((folder / "config.json").string())));
  weights.ExpectAllTaken();
  CheckFluxTransformer(transformer, result.Open(folder / (name + ".safetensors")), options, result);
  if (!item.contains("dequantised_tensors")) return;
  // "gguf_Q4_K": the numbers that the types in the file stand for.
  const std::string type = name.substr(name.find('_') + 1);
  const Record& numbers = result.Open(folder / ("dequantised_" + type + ".safetensors"));
  for (const auto& [kind, tensor] : item.at("dequantised_tensors").items())
    result.Compare(kind, stored.tensors.at(tensor.get<std::string>()).to(at::kFloat),
                   numbers.Get(tensor.get<std::string>()), 1e-6);
}

// As numbers, whatever the type.
void ExpectSameTensors(const NamedTensors& ours, const NamedTensors& expected, Report::Case& result) {
  result.ExpectEqual("tensors", {static_cast<int64_t>(ours.tensors.size())},
                     {static_cast<int64_t>(expected.tensors.size())});
  for (const auto& [name, tensor] : expected.tensors) {
    if (!ours.Has(name)) throw Error("there is no \"" + name + "\"");
    result.Compare(name, ours.tensors.at(name).to(at::kFloat), tensor.to(at::kFloat), 0);
  }
}

}  // namespace

bool RanFluxLoraCases(const GoldenOptions& options, const nlohmann::json& index, Report& report) {
  if (!index.is_array()) return false;
  const fs::path folder = options.directory / "formats" / "lora";
  for (const auto& item : index) {
    const fs::path model = options.directory / item.at("model").get<std::string>();
    for (const std::string file : item.at("files")) {
      const std::string stem = fs::path(file).stem().string(), name = "formats/lora/" + stem;
      if (!options.Wants(name)) continue;
      report.Run(name, [&](Report::Case& result) {
        FileParameters weights(ReadComponent(model.string()), options.parameters());
        const FluxTransformer transformer(
            Scope(weights), FluxConfig::From(Config::FromFile((model / "config.json").string())));
        LayerWeights layers;
        for (const auto& [path, weight] : weights.layers()) layers["transformer." + path] = weight;
        const AdapterLibrary library(folder.string(), layers, options.parameters());
        const AdapterSet adapters = library.Get({{stem, item.at("strength").get<double>()}});
        const Record& record = result.Open(folder / (item.at("name").get<std::string>() + ".safetensors"));
        const auto rows = static_cast<size_t>(record.Get("out.sample").size(0));
        const AdapterScope scope(std::vector<AdapterSet>(rows, adapters));
        CheckFluxTransformer(transformer, record, options, result);
      });
    }
  }
  return true;
}

void RunFluxFormatCases(const GoldenOptions& options, Report& report) {
  const fs::path folder = options.directory / "formats" / "quantized";
  if (fs::exists(folder / "index.json")) {
    for (const auto& item : ReadGoldenJson(folder / "index.json")) {
      const std::string name = "formats/quantized/" + item.at("name").get<std::string>();
      if (!options.Wants(name)) continue;
      report.Run(name, [&](Report::Case& result) { CheckQuantized(item, folder, options, result); });
    }
  }
  const fs::path models = options.directory / "models";
  if (!fs::is_directory(models)) return;
  for (const auto& entry : fs::directory_iterator(models)) {
    const fs::path file = entry.path() / "flux1.safetensors";
    const std::string original = entry.path().filename().string(), name = "formats/original/" + original;
    if (!fs::exists(file) || !original.ends_with(kOriginal) || !options.Wants(name)) continue;
    const fs::path same = models / original.substr(0, original.size() + 1 - sizeof kOriginal);
    report.Run(name, [&](Report::Case& result) {
      ExpectSameTensors(FromOriginalFlux(ReadWeights(file.string())),
                        ReadComponent((same / "transformer").string()), result);
      ExpectSameTensors(FromAutoencoder(ReadWeights((entry.path() / "ae.safetensors").string())),
                        ReadComponent((same / "vae").string()), result);
    });
  }
}

}  // namespace mind::diffusion
