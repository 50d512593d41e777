// formats/batch: requests with different samplers, step counts and scales, submitted to the engine all at
// once; each must come out as the reference made it alone, from nothing but its prompt and seed. Alone, it
// must do so step by step.
#include "worker/diffusion/engine/awaited_picture.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/golden/trajectory_case.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

// Of 255: the engine gives bytes, and a value on the edge of two may fall either way.
constexpr double kByteTolerance = 1.01 / 255;
constexpr double kOneCallTolerance = 2e-5;  // formats/README: as a network's

TrajectoryRequest ToRequest(const nlohmann::json& item) {
  TrajectoryRequest request;
  request.model = std::filesystem::path(item.at("model").get<std::string>()).filename().string();
  request.picture.prompt = item.at("prompt");
  if (!item.at("negative_prompt").is_null()) request.picture.negative_prompt = item.at("negative_prompt");
  request.picture.guidance = item.at("guidance_scale");
  request.width = item.at("width");
  request.height = item.at("height");
  request.steps = item.at("num_inference_steps");
  request.seed = std::stoull(item.at("seed_text").get<std::string>());
  if (item.value("eta", 0.0) != 0) request.sampler_parameters["eta"] = item.at("eta").get<double>();
  request.sampler =
      DefaultSamplerName(SamplerConfig::From(Config(item.at("scheduler"), "the case's scheduler")));
  return request;
}

// Rows of different requests at different timesteps in one call of the network.
void CheckOneCall(const Record& record, const Pipeline& pipeline, Report::Case& result) {
  const auto in = [&](const char* name) { return record.Get(name).to(pipeline.device()); };
  result.Compare("rows",
                 pipeline.denoiser()({.sample = in("in.sample"),
                                      .timestep = in("in.timestep"),
                                      .told = {{Condition::kText, in("in.encoder_hidden_states")}}}),
                 record.Get("out.sample_alone"), kOneCallTolerance);
}

}  // namespace

void RunMixedBatchCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path formats = options.directory / "formats";
  if (!std::filesystem::exists(formats / "batch" / "index.json")) return;
  ModelCache models((options.directory / "models").string(), {.parameters = options.parameters()});
  Engine engine(models, {.device = options.device});
  const nlohmann::json index = ReadGoldenJson(formats / "batch" / "index.json");
  if (const std::string name = "batch/mixed_unet_call"; options.Wants(name)) {
    report.Run(name, [&](Report::Case& result) {
      const std::string model = ToRequest(index.at("requests").at(0)).model;
      const Record& record = result.Open(formats / index.at("mixed_unet_call").at("file").get<std::string>());
      CheckOneCall(record, *models.Get(model), result);
    });
  }
  std::vector<std::pair<nlohmann::json, std::shared_ptr<AwaitedPicture>>> pending;
  for (const auto& item : index.at("requests")) {
    if (!options.Wants("batch/" + item.at("id").get<std::string>())) continue;
    auto events = std::make_shared<AwaitedPicture>();
    pending.emplace_back(item, events);
    engine.Submit(ToRequest(item), events);
  }
  for (auto& [item, picture] : pending) {
    report.Run("batch/" + item.at("id").get<std::string>(),
               [&, &item = item, &picture = picture](Report::Case& result) {
                 const Record& record = result.Open(formats / item.at("file").get<std::string>());
                 const at::Tensor expected = record.Get("image").squeeze(0).permute({1, 2, 0});
                 result.Compare("picture", picture->Wait().to(at::kFloat) / 255, expected, kByteTolerance);
                 CheckTrajectory({item, record, *models.Get(ToRequest(item).model), {}}, result);
               });
  }
}

}  // namespace mind::diffusion
