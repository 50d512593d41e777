#include "worker/diffusion/golden/z_image_component_cases.h"

#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/z_image_transformer.h"
#include "worker/diffusion/weights/names/z_image_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr double kZNoisiest = 1000;

// Pictures of different sizes and prompts of different lengths, one by one.
void CheckZTransformer(const ZImageTransformer& transformer, const Record& record, at::Device device,
                       Report::Case& result) {
  const at::Tensor times = record.Get("in.t");
  for (int64_t row = 0; row < times.size(0); ++row) {
    const std::string number = std::to_string(row);
    const DenoiserInput input{
        .sample = record.Get("in.x" + number).transpose(0, 1).to(device),
        .timestep = (kZNoisiest - kZNoisiest * times.narrow(0, row, 1)).to(device),
        .told = {{Condition::kText, record.Get("in.cap" + number).unsqueeze(0).to(device)}}};
    // The network's answer; its pipeline takes it with the other sign, as ours does at once.
    result.Compare("sample " + number, -transformer(input).transpose(0, 1).squeeze(1),
                   record.Get("out.sample" + number).squeeze(1), kComponentTolerance);
  }
}

void CheckZTransformerOf(NamedTensors stored, const ZImageTransformerConfig& config, const Record& record,
                         const GoldenOptions& options, Report::Case& result) {
  FileParameters weights(FromOriginalZImage(std::move(stored)), options.parameters());
  const ZImageTransformer transformer(Scope(weights), config);
  weights.ExpectAllTaken();
  CheckZTransformer(transformer, record, options.device, result);
}

}  // namespace

bool RanZImageCase(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  if (item.at("model").is_null()) return false;
  const fs::path directory = options.directory / item.at("model").get<std::string>();
  if (!fs::exists(directory / "config.json")) return false;
  const Config config = Config::FromFile((directory / "config.json").string());
  if (config.String("_class_name", "") != "ZImageTransformer2DModel") return false;
  const std::string name = item.at("name");
  report.Run("components/" + name, [&](Report::Case& result) {
    const Record& record = result.Open(options.directory / "components" / (name + ".safetensors"));
    const ZImageTransformerConfig shape = ZImageTransformerConfig::From(config);
    CheckZTransformerOf(ReadComponent(directory.string()), shape, record, options, result);
    for (const fs::path& file : FilesIn(directory.parent_path().string() + "-original", ".safetensors"))
      CheckZTransformerOf(ReadWeights(file.string()), shape, record, options, result);
  });
  return true;
}

}  // namespace mind::diffusion
