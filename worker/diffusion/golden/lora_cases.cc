// formats/lora: one LoRA under several programs' names, on networks, merged weights and a whole picture.
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/flux_cases.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/golden/trajectory_case.h"
#include "worker/diffusion/models/adapter.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/weights/names/lora_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

class LoraCase {
 public:
  LoraCase(const nlohmann::json& index, std::string name, const GoldenOptions& options)
      : index_(index),
        name_(std::move(name)),
        options_(options),
        folder_(options.directory / "formats" / "lora"),
        model_(options.directory / index.at("model").get<std::string>()),
        directory_(model_, "loras", {{name_, folder_ / (name_ + ".safetensors")}}),
        pipeline_(LoadPipeline(directory_.path(), options.parameters())) {}

  // On the inputs of the component cases that the index names ("components/x.safetensors in.*"), and the
  // merged weights.
  void CheckNetworks(Report::Case& result) const {
    const Record& record = result.Open(folder_ / "component_case.safetensors");
    PictureRequest request;
    request.guidance = 1;
    request.loras = loras();
    const ModelInfo& info = pipeline_->info();
    const AdapterSet adapters =
        pipeline_->Condition(request, pipeline_->LatentShape(info.default_width, info.default_height))
            .adapters;
    for (const std::string line : index_.at("inputs")) {
      const Record inputs(options_.directory / line.substr(0, line.find(' ')));
      if (inputs.Has("in.input_ids")) {
        const at::Tensor ids = inputs.Get("in.input_ids").to(options_.device);
        const AdapterScope scope(std::vector<AdapterSet>(static_cast<size_t>(ids.size(0)), adapters));
        const auto& text = dynamic_cast<const TextToImagePipeline&>(*pipeline_).encoder(0).encoder();
        result.Compare("text", text.Encode(ids), record.Get("out.text_last_hidden_state"),
                       kComponentTolerance);
      } else {
        CheckDenoiser(inputs, adapters, record.Get("out.unet_sample"), result);
      }
    }
    CheckMergedWeights(record, result);
  }

  void CheckPicture(Report::Case& result) const {
    const nlohmann::json& item = index_.at("e2e");
    const Record& record = result.Open(options_.directory / "formats" / item.at("file").get<std::string>());
    CheckTrajectory({item, record, *pipeline_, loras()}, result);
  }

 private:
  double scale() const { return index_.at("scale"); }
  std::vector<LoraUse> loras() const { return {{name_, scale()}}; }

  void CheckDenoiser(const Record& inputs, const AdapterSet& adapters, const at::Tensor& expected,
                     Report::Case& result) const {
    const auto in = [&](const char* name) { return inputs.Get(name).to(options_.device); };
    const DenoiserInput input{.sample = in("in.sample"),
                              .timestep = in("in.timestep").to(at::kFloat),
                              .told = {{Condition::kText, in("in.encoder_hidden_states")}}};
    std::vector<AdapterSet> rows(static_cast<size_t>(input.sample.size(0)), adapters);
    {
      const AdapterScope scope(rows);
      result.Compare("unet", pipeline_->denoiser()(input), expected, kComponentTolerance);
    }
    // Neighbours without the LoRA see nothing of it.
    for (size_t row = 1; row < rows.size(); ++row) rows[row] = {};
    const AdapterScope scope(rows);
    const at::Tensor mixed = pipeline_->denoiser()(input);
    result.Compare("row with", mixed[0], expected[0], kComponentTolerance);
    if (rows.size() > 1)
      result.Compare("rows without", mixed.slice(0, 1), inputs.Get("out.sample").slice(0, 1),
                     kComponentTolerance);
  }

  void CheckMergedWeights(const Record& record, Report::Case& result) const {
    LayerWeights layers;
    for (const std::string component : {"unet", "text_encoder"}) {
      for (const auto& [name, tensor] : ReadComponent((model_ / component).string()).tensors) {
        constexpr std::string_view kWeight = ".weight";
        if (name.size() > kWeight.size() && name.ends_with(kWeight))
          layers[component + "." + name.substr(0, name.size() - kWeight.size())] = tensor.to(at::kFloat);
      }
    }
    const auto updates = FromLora(ReadWeights((folder_ / (name_ + ".safetensors")).string()), layers);
    result.Expect(static_cast<int64_t>(updates.size()) == index_.at("modules").get<int64_t>(),
                  std::to_string(updates.size()) + " layers have updates");
    for (const auto& [layer, expected] : record.Under("merged.")) {
      const StoredUpdate& update = updates.at(layer);
      const at::Tensor product =
          at::mm(update.up.to(at::kFloat).flatten(1), update.down.to(at::kFloat).flatten(1));
      result.Compare(layer, layers.at(layer) + scale() * update.factor * product.view_as(expected), expected,
                     kComponentTolerance);
    }
  }

  const nlohmann::json index_;
  const std::string name_;
  const GoldenOptions options_;
  const fs::path folder_, model_;
  const ExtendedModel directory_;
  const std::unique_ptr<const Pipeline> pipeline_;
};

}  // namespace

void RunLoraCases(const GoldenOptions& options, Report& report) {
  const fs::path path = options.directory / "formats" / "lora" / "index.json";
  if (!fs::exists(path)) return;
  const nlohmann::json index = ReadGoldenJson(path);
  if (RanFluxLoraCases(options, index, report)) return;
  for (const auto& [file, dtype] : index.at("dtypes").items()) {
    const std::string name = "formats/lora/" + file;
    const auto run = [&, &file = file](const std::string& what,
                                       void (LoraCase::*check)(Report::Case&) const) {
      if (!options.Wants(name + what)) return;
      report.Run(name + what, [&](Report::Case& result) { (LoraCase(index, file, options).*check)(result); });
    };
    run(" networks", &LoraCase::CheckNetworks);
    if (index.contains("e2e")) run(" picture", &LoraCase::CheckPicture);
  }
}

}  // namespace mind::diffusion
