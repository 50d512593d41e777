// lora/: files of all kinds (kohya's, diffusers', DoRA, LoHa, LoKr, whole differences) on one model, each
// alone at several strengths: what its networks then answer, and some of the merged weights.
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/models/adapter.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/weights/names/lora_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr double kLoraKindTolerance = 5e-5;  // the folder's README

class LoraKindCase {
 public:
  LoraKindCase(const nlohmann::json& index, const nlohmann::json& item, const GoldenOptions& options)
      : index_(index),
        options_(options),
        file_(options.directory / item.at("file").get<std::string>()),
        expected_(options.directory / item.at("expected").get<std::string>()),
        layers_(item.at("layers").get<int64_t>()),
        model_(options.directory / index.at("model").get<std::string>()),
        directory_(model_, "loras", {{kName, file_}}),
        pipeline_(LoadPipeline(directory_.path(), options.parameters())) {}

  void Check(Report::Case& result) const {
    const Record& record = result.Open(expected_);
    for (const auto& strength : index_.at("scales")) {
      CheckNetworks(strength, "out." + strength.dump() + ".", record, result);
      CheckMerged(strength, record.Under("merged." + strength.dump() + "."), result);
    }
  }

 private:
  static constexpr char kName[] = "lora";

  // The index says which records hold the inputs: "components/x.safetensors in.*", perhaps ", row 1 alone".
  void CheckNetworks(double strength, const std::string& prefix, const Record& record,
                     Report::Case& result) const {
    PictureRequest request;
    request.guidance = 1;
    request.loras = {{kName, strength}};
    const ModelInfo& info = pipeline_->info();
    const std::vector<int64_t> shape = pipeline_->LatentShape(info.default_width, info.default_height);
    const AdapterSet adapters = pipeline_->Condition(request, shape).adapters;
    const auto& text = dynamic_cast<const TextToImagePipeline&>(*pipeline_);
    for (const std::string line : index_.at("inputs")) {
      const std::string name = line.substr(0, line.find(' '));
      const Record inputs(options_.directory / (name + ".safetensors"));
      const auto in = [&](const char* input) { return inputs.Get(input).to(options_.device); };
      if (!inputs.Has("in.input_ids")) {
        const DenoiserInput input{.sample = in("in.sample"),
                                  .timestep = in("in.timestep").to(at::kFloat),
                                  .told = {{Condition::kText, in("in.encoder_hidden_states")},
                                           {Condition::kPooled, in("in.text_embeds")},
                                           {Condition::kSizes, in("in.time_ids")}}};
        const AdapterScope scope(
            std::vector<AdapterSet>(static_cast<size_t>(input.sample.size(0)), adapters));
        result.Compare("unet", pipeline_->denoiser()(input), record.Get(prefix + "unet"), kLoraKindTolerance);
        continue;
      }
      const bool second = name.ends_with("_2");
      const AdapterScope scope({adapters});
      const TextStates states =
          text.encoder(second ? 1 : 0).encoder().States(in("in.input_ids").narrow(0, 1, 1), {});
      const std::string states_name = second ? "text_encoder_2_m2" : "text_encoder_m2";
      result.Compare(states_name, states.layers[states.layers.size() - 2], record.Get(prefix + states_name),
                     kLoraKindTolerance);
      if (second)
        result.Compare("text_embeds", states.pooled, record.Get(prefix + "text_embeds"), kLoraKindTolerance);
    }
  }

  void CheckMerged(double strength, const std::map<std::string, at::Tensor>& merged,
                   Report::Case& result) const {
    LayerWeights layers;
    constexpr std::string_view kWeight = ".weight";
    for (const std::string component : {"unet", "text_encoder", "text_encoder_2"}) {
      for (const auto& [name, tensor] : ReadComponent((model_ / component).string()).tensors) {
        if (name.ends_with(kWeight))
          layers[component + "." + name.substr(0, name.size() - kWeight.size())] = tensor.to(at::kFloat);
      }
    }
    const auto updates = FromLora(ReadWeights(file_.string()), layers);
    result.ExpectEqual("layers with an update", {static_cast<int64_t>(updates.size())}, {layers_});
    for (const auto& [name, expected] : merged) {
      std::string layer = name;
      if (layers.count(layer) == 0)
        layer.insert(layer.find('.'), ".text_model");  // as PEFT's paths leave out
      const StoredUpdate& update = updates.at(layer);
      const at::Tensor delta = update.delta.defined()
                                   ? update.delta
                                   : update.factor * at::mm(update.up.to(at::kFloat).flatten(1),
                                                            update.down.to(at::kFloat).flatten(1));
      result.Compare(name, layers.at(layer) + strength * delta.view_as(expected), expected,
                     kLoraKindTolerance);
    }
  }

  const nlohmann::json& index_;
  const GoldenOptions& options_;
  const fs::path file_, expected_;
  const int64_t layers_;
  const fs::path model_;
  const ExtendedModel directory_;
  const std::unique_ptr<const Pipeline> pipeline_;
};

}  // namespace

void RunLoraKindCases(const GoldenOptions& options, Report& report) {
  const fs::path path = options.directory / "lora" / "index.json";
  if (!fs::exists(path)) return;
  const nlohmann::json index = ReadGoldenJson(path);
  for (const auto& item : index.at("files")) {
    const std::string name = "lora/" + fs::path(item.at("file").get<std::string>()).stem().string();
    if (!options.Wants(name)) continue;
    report.Run(name, [&](Report::Case& result) { LoraKindCase(index, item, options).Check(result); });
  }
}

}  // namespace mind::diffusion
