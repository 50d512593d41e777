// e2e/*.json: a whole pipeline from prompt and recorded noise to picture.
#include <map>
#include <optional>
#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/base_refiner_case.h"
#include "worker/diffusion/golden/control_request.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/floyd_cases.h"
#include "worker/diffusion/golden/flux2_cases.h"
#include "worker/diffusion/golden/flux_cases.h"
#include "worker/diffusion/golden/kandinsky_cases.h"
#include "worker/diffusion/golden/picture_prompt_cases.h"
#include "worker/diffusion/golden/pixel_cases.h"
#include "worker/diffusion/golden/qwen_image_cases.h"
#include "worker/diffusion/golden/sd3_cases.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/golden/trajectory_case.h"
#include "worker/diffusion/golden/unclip_cases.h"
#include "worker/diffusion/golden/z_image_cases.h"
#include "worker/diffusion/pipelines/model_directory.h"

namespace mind::diffusion {
namespace {

const std::set<std::string> kLatent = {"StableDiffusionPipeline",
                                       "StableDiffusionImg2ImgPipeline",
                                       "StableDiffusionInpaintPipeline",
                                       "StableDiffusionUpscalePipeline",
                                       "StableDiffusionDepth2ImgPipeline",
                                       "StableDiffusionXLPipeline",
                                       "StableDiffusionXLImg2ImgPipeline",
                                       "StableDiffusionXLInpaintPipeline",
                                       "StableDiffusionXLBaseThenRefiner",
                                       "DiTPipeline",
                                       "StableDiffusionControlNetPipeline",
                                       "StableDiffusionControlNetImg2ImgPipeline",
                                       "StableDiffusionControlNetInpaintPipeline",
                                       "StableDiffusionXLControlNetPipeline",
                                       "StableDiffusionXLControlNetImg2ImgPipeline",
                                       "StableDiffusionXLControlNetUnionPipeline",
                                       "StableDiffusionAdapterPipeline",
                                       "StableDiffusionXLAdapterPipeline",
                                       "StableDiffusionInstructPix2PixPipeline",
                                       "StableDiffusionXLInstructPix2PixPipeline",
                                       "StableDiffusionPAGPipeline"};
const std::set<std::string> kPixels = {"DDPMPipeline", "DDIMPipeline"};

void CheckEndToEnd(const nlohmann::json& item, const std::filesystem::path& file,
                   const GoldenOptions& options, Report::Case& result) {
  const std::string kind = item.at("pipeline");
  const bool trajectory = kLatent.count(kind) != 0 || kPixels.count(kind) != 0;
  const PixelCheck pixels = PixelCheckFor(kind);
  if (!trajectory && pixels == nullptr && !IsUnclip(kind) && !IsKandinsky(kind) && !IsFloyd(kind) &&
      !IsZImage(kind) && !IsFlux(kind) && !IsFlux2(kind) && !IsQwenImage(kind) && !IsSd3(kind))
    throw UnsupportedError("the pipeline " + kind);
  const Record& record = result.Open(file);
  if (IsKandinsky(kind)) return CheckKandinsky(item, record, options, result);
  if (IsFlux(kind)) return CheckFlux(item, record, options, result);
  if (IsFlux2(kind)) return CheckFlux2(item, record, options, result);
  if (IsFloyd(kind)) return CheckFloyd(item, record, options, result);
  if (IsZImage(kind)) return CheckZImage(item, record, options, result);
  if (IsQwenImage(kind)) return CheckQwenImage(item, record, options, result);
  if (IsSd3(kind)) return CheckSd3(item, record, options, result);
  if (item.at("model").is_array()) return CheckBaseThenRefiner(item, record, options, result);
  const std::filesystem::path model = options.directory / item.at("model").get<std::string>();
  std::map<std::string, std::filesystem::path> files;
  std::vector<LoraUse> loras;
  for (const auto& lora : item.value("lora", nlohmann::json::array())) {
    const std::filesystem::path path = options.directory / lora.at("file").get<std::string>();
    loras.push_back({path.stem().string(), lora.at("scale").get<double>()});
    files[loras.back().name] = path;
  }
  std::optional<ExtendedModel> extended;
  const std::vector<std::string> networks = ControlNetworksOf(item);
  const std::vector<std::string> adapters = item.value("ip_adapters", std::vector<std::string>());
  if (!files.empty() || !networks.empty() || !adapters.empty() || item.contains("init_arguments")) {
    extended.emplace(model, "loras", files);
    for (size_t i = 0; i < networks.size(); ++i)
      extended->Add("controls", ControlName(i), options.directory / networks[i]);
    for (size_t i = 0; i < adapters.size(); ++i) {
      extended->Add("ip_adapters", PictureAdapterName(i) + ".safetensors", options.directory / adapters[i]);
    }
    if (!adapters.empty()) {
      extended->Add("ip_adapters", "image_encoder",
                    options.directory / item.at("image_encoder").get<std::string>());
    }
    if (item.contains("init_arguments")) extended->ChangeIndex(item.at("init_arguments"));
  }
  const std::unique_ptr<const Pipeline> pipeline =
      LoadPipeline(extended ? extended->path() : model.string(), options.parameters());
  if (IsUnclip(kind)) return CheckUnclip(item, record, *pipeline, result);
  trajectory ? CheckTrajectory({item, record, *pipeline, loras}, result)
             : pixels({item, record, *pipeline, model}, result);
}

bool DenoisesLatents(const std::string& kind) {
  return kLatent.count(kind) != 0 || IsKandinsky(kind) || IsZImage(kind) || IsFlux(kind) || IsFlux2(kind) ||
         IsQwenImage(kind) || IsSd3(kind);
}

}  // namespace

void RunEndToEndCases(const GoldenOptions& options, Report& report) {
  for (const std::filesystem::path& file : FilesIn(options.directory / "e2e", ".json")) {
    const std::string name = "e2e/" + file.stem().string();
    if (file.stem() == "index" || !options.Wants(name)) continue;
    const nlohmann::json item = ReadGoldenJson(file);
    if (options.only_latent_models && !DenoisesLatents(item.at("pipeline"))) continue;
    report.Run(name, [&](Report::Case& result) {
      std::filesystem::path data = file;
      CheckEndToEnd(item, data.replace_extension(".safetensors"), options, result);
    });
  }
}

}  // namespace mind::diffusion
