// formats/lora: one LoRA under two programs' names, on networks, merged weights and a whole picture.
#include <unistd.h>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/models/adapter.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/weights/names/lora_names.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 2e-5, kPictureTolerance = 1e-4;  // formats/README

// The model's directory with a loras/ in it, for as long as this lives: what a user would make.
class DirectoryWithLoras {
 public:
  DirectoryWithLoras(const fs::path& model, const fs::path& loras)
      : path_(fs::temp_directory_path() / ("mind-golden-lora-" + std::to_string(getpid()))) {
    fs::create_directory(path_);
    for (const auto& entry : fs::directory_iterator(fs::absolute(model)))
      fs::create_symlink(entry.path(), path_ / entry.path().filename());
    fs::create_symlink(fs::absolute(loras), path_ / "loras");
  }
  ~DirectoryWithLoras() { fs::remove_all(path_); }
  DirectoryWithLoras(const DirectoryWithLoras&) = delete;
  DirectoryWithLoras& operator=(const DirectoryWithLoras&) = delete;

  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

class LoraCase {
 public:
  LoraCase(const nlohmann::json& index, std::string name, const GoldenOptions& options)
      : index_(index),
        name_(std::move(name)),
        options_(options),
        folder_(options.directory / "formats" / "lora"),
        model_(options.directory / index.at("model").get<std::string>()),
        directory_(model_, folder_),
        pipeline_(LoadPipeline(directory_.path(), options.parameters())) {}

  void CheckNetworks(Report::Case& result) const {
    const SafeTensors record = SafeTensors::Open((folder_ / "component_case.safetensors").string());
    const SafeTensors unet = Recorded("components/sd1.unet.safetensors");
    const SafeTensors text = Recorded("components/sd1.text_encoder.safetensors");
    const AdapterSet adapters = pipeline_->Condition(Request("", 1)).adapters;
    const DenoiserInput input{.sample = unet.Get("in.sample").to(options_.device),
                              .timestep = unet.Get("in.timestep").to(options_.device, at::kFloat),
                              .context = unet.Get("in.encoder_hidden_states").to(options_.device),
                              .label = {}};
    {
      const AdapterScope scope(std::vector<AdapterSet>(static_cast<size_t>(input.sample.size(0)), adapters));
      result.Compare("unet", pipeline_->denoiser()(input), record.Get("out.unet_sample"), kTolerance);
    }
    {
      // A neighbour without the LoRA sees nothing of it.
      const AdapterScope scope({adapters, {}});
      const at::Tensor mixed = pipeline_->denoiser()(input);
      result.Compare("row with", mixed[0], record.Get("out.unet_sample")[0], kTolerance);
      result.Compare("row without", mixed[1], unet.Get("out.sample")[1], kTolerance);
    }
    const at::Tensor ids = text.Get("in.input_ids").to(options_.device);
    const AdapterScope scope(std::vector<AdapterSet>(static_cast<size_t>(ids.size(0)), adapters));
    result.Compare("text", dynamic_cast<const TextToImagePipeline&>(*pipeline_).text_encoder().Encode(ids),
                   record.Get("out.text_last_hidden_state"), kTolerance);
  }

  void CheckMergedWeights(Report::Case& result) const {
    const SafeTensors record = SafeTensors::Open((folder_ / "component_case.safetensors").string());
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
    for (const auto& [name, expected] : record.tensors()) {
      constexpr std::string_view kMerged = "merged.";
      if (name.rfind(kMerged, 0) != 0) continue;
      const std::string layer = name.substr(kMerged.size());
      const StoredUpdate& update = updates.at(layer);
      const at::Tensor product =
          at::mm(update.up.to(at::kFloat).flatten(1), update.down.to(at::kFloat).flatten(1));
      result.Compare(layer, layers.at(layer) + Scale() * update.factor * product.view_as(expected), expected,
                     kTolerance);
    }
  }

  void CheckPicture(Report::Case& result) const {
    const nlohmann::json& item = index_.at("e2e");
    const SafeTensors record =
        SafeTensors::Open((options_.directory / "formats" / item.at("file").get<std::string>()).string());
    const SamplerConfig config = SamplerConfig::From(Config(item.at("scheduler"), "the case's scheduler"));
    const auto sampler = MakeSampler(DefaultSamplerName(config), config, item.at("num_inference_steps"));
    PictureRequest request = Request(item.at("prompt"), item.at("guidance_scale"));
    request.negative_prompt = item.at("negative_prompt");
    const Conditioning conditioning = pipeline_->Condition(request);
    result.Compare("prompt", conditioning.rows.back().context, record.Get("prompt_embeds")[0],
                   kPictureTolerance);
    result.Compare("negative prompt", conditioning.rows.front().context,
                   record.Get("negative_prompt_embeds")[0], kPictureTolerance);
    SampleState state;
    state.x = record.Get("init_noise")[0].to(options_.device);
    Evaluator evaluator;
    const at::Tensor latents = record.Get("latents_per_step");
    for (; state.step < sampler->steps(); ++state.step) {
      Task step = sampler->Step(state, evaluator);
      for (step.Resume(); !step.done(); step.Resume()) {
        evaluator.Answer(
            EvaluateAlone(pipeline_->denoiser(), conditioning, evaluator.input(), evaluator.timestep()));
      }
      result.Compare("latent", state.x, latents[state.step][0], kPictureTolerance);
    }
    result.Compare("image", pipeline_->Decode(state.x), record.Get("image")[0], kPictureTolerance);
  }

 private:
  double Scale() const { return index_.at("scale"); }
  SafeTensors Recorded(const std::string& file) const {
    return SafeTensors::Open((options_.directory / file).string());
  }
  PictureRequest Request(const std::string& prompt, double guidance) const {
    PictureRequest request;
    request.prompt = prompt;
    request.guidance = guidance;
    request.loras = {{name_, Scale()}};
    return request;
  }

  const nlohmann::json index_;
  const std::string name_;
  const GoldenOptions options_;
  const fs::path folder_, model_;
  const DirectoryWithLoras directory_;
  const std::unique_ptr<const Pipeline> pipeline_;
};

}  // namespace

void RunLoraCases(const GoldenOptions& options, Report& report) {
  const fs::path index = options.directory / "formats" / "lora" / "index.json";
  if (!fs::exists(index)) return;
  const std::pair<const char*, void (LoraCase::*)(Report::Case&) const> kChecks[] = {
      {"networks", &LoraCase::CheckNetworks},
      {"merged", &LoraCase::CheckMergedWeights},
      {"picture", &LoraCase::CheckPicture}};
  for (const std::string file : {"kohya", "peft"}) {
    for (const auto& [what, check] : kChecks) {
      const std::string name = "formats/lora/" + file + " " + what;
      if (name.find(options.filter) == std::string::npos) continue;
      report.Run(name, [&, check = check](Report::Case& result) {
        (LoraCase(ReadGoldenJson(index), file, options).*check)(result);
      });
    }
  }
}

}  // namespace mind::diffusion
