// e2e/*.json: a whole pipeline from prompt and recorded noise to picture.
#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

constexpr double kTolerance = 1e-4;  // golden README: e2e latents and image

std::vector<std::string> Prompts(const nlohmann::json& value) {
  if (value.is_null()) return {""};
  return value.is_array() ? value.get<std::vector<std::string>>()
                          : std::vector<std::string>{value.get<std::string>()};
}

class EndToEndCase {
 public:
  EndToEndCase(const nlohmann::json& item, const SafeTensors& record, const GoldenOptions& options)
      : item_(item), record_(record) {
    const std::string kind = item.at("pipeline");
    from_image_ = kind == "StableDiffusionImg2ImgPipeline";
    text_ = kind == "StableDiffusionPipeline" || from_image_;
    if (!text_ && kind != "DDPMPipeline" && kind != "DDIMPipeline")
      throw UnsupportedError("the pipeline " + kind);
    SamplerConfig config = SamplerConfig::From(Config(item.at("scheduler"), "the case's scheduler"));
    config.eta = item.value("eta", 0.0);
    sampler_ = MakeSampler(DefaultSamplerName(config), config, item.at("num_inference_steps").get<int64_t>());
    pipeline_ = LoadPipeline((options.directory / item.at("model").get<std::string>()).string(),
                             {at::kFloat, options.device});
  }

  void Check(Report::Case& result) const {
    if (text_) CheckPrompts(result);
    const at::Tensor start = record_.Get(from_image_ ? "in.image" : text_ ? "in.latents" : "noise.000");
    for (int64_t row = 0; row < start.size(0); ++row) CheckRow(row, start[row], result);
  }

 private:
  std::string PromptOf(const std::string& key, int64_t row) const {
    const std::vector<std::string> prompts = Prompts(item_.contains(key) ? item_.at(key) : nlohmann::json());
    return prompts[static_cast<size_t>(row / item_.value("num_images_per_prompt", int64_t{1})) %
                   prompts.size()];
  }

  void CheckPrompts(Report::Case& result) const {
    const auto& tokenizer = dynamic_cast<const TextToImagePipeline&>(*pipeline_).tokenizer();
    const at::Tensor expected = record_.Get("prompt_ids");
    const std::vector<std::string> prompts = Prompts(item_.at("prompt"));
    for (size_t i = 0; i < prompts.size(); ++i) {
      const at::Tensor row = expected[static_cast<int64_t>(i)].contiguous();
      result.ExpectEqual("prompt ids", tokenizer.EncodePadded(prompts[i], static_cast<size_t>(row.numel())),
                         {row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.numel()});
    }
  }

  void CheckRow(int64_t row, const at::Tensor& start, Report::Case& result) const {
    PictureRequest request;
    if (text_) {
      request.prompt = PromptOf("prompt", row);
      request.negative_prompt = PromptOf("negative_prompt", row);
      request.guidance = item_.at("guidance_scale");
      request.guidance_rescale = item_.value("guidance_rescale", 0.0);
      request.clip_skip = item_.value("clip_skip", int64_t{0});
    }
    const Conditioning conditioning = pipeline_->Condition(request);
    if (text_) {
      result.Compare("prompt embedding", conditioning.rows.back().context, record_.Get("prompt_embeds")[row],
                     kTolerance);
    }

    SampleState state;
    state.noise = Noise(row);
    if (from_image_) {
      const at::Tensor x0 = pipeline_->Encode(start.to(pipeline_->device()), *state.noise);
      state.step = sampler_->steps() - static_cast<int64_t>(static_cast<double>(sampler_->steps()) *
                                                            item_.at("strength").get<double>());
      static_cast<RecordedNoise&>(*state.noise).set_step(-1);
      state.x = NoisedTo(sampler_->LevelOf(state.step), x0, state.noise->DrawLike(x0));
    } else {
      state.x = start.to(pipeline_->device()) * sampler_->initial_scale();
    }
    Evaluator evaluator;
    const at::Tensor latents = record_.Get("latents_per_step");
    const at::Tensor outputs = record_.Get("model_outputs_after_cfg");
    int64_t call = 0;
    for (; state.step < sampler_->steps(); ++state.step) {
      Task step = sampler_->Step(state, evaluator);
      for (step.Resume(); !step.done(); step.Resume(), ++call) {
        const at::Tensor output =
            EvaluateAlone(pipeline_->denoiser(), conditioning, evaluator.input(), evaluator.timestep());
        static_cast<RecordedNoise&>(*state.noise).set_step(call);
        result.Compare("output " + std::to_string(call), output, outputs[call][row], kTolerance);
        evaluator.Answer(output);
      }
      result.Compare("latent " + std::to_string(call), state.x, latents[call - 1][row], kTolerance);
    }
    result.Compare("image", pipeline_->Decode(state.x), record_.Get("image")[row], kTolerance);
  }

  std::unique_ptr<NoiseSource> Noise(int64_t row) const {
    auto noise = std::make_unique<RecordedNoise>();
    // Draws of the encoder and of the starting noise come first where the pipeline made them itself; the
    // others are one a step call.
    int64_t step = from_image_ ? -2 : text_ ? 0 : -1;
    noise->set_step(step);
    for (int64_t k = 0;; ++k, ++step) {
      char name[16];
      std::snprintf(name, sizeof name, "noise.%03d", static_cast<int>(k));
      if (!record_.Has(name)) return noise;
      noise->Record(step, record_.Get(name)[row]);
    }
  }

  const nlohmann::json& item_;
  const SafeTensors& record_;
  bool text_ = false, from_image_ = false;
  std::unique_ptr<const Sampler> sampler_;
  std::unique_ptr<const Pipeline> pipeline_;
};

}  // namespace

void RunEndToEndCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path folder = options.directory / "e2e";
  if (!std::filesystem::exists(folder)) return;
  std::set<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json" && entry.path().stem() != "index") files.insert(entry.path());
  }
  for (const std::filesystem::path& file : files) {
    const std::string name = "e2e/" + file.stem().string();
    if (name.find(options.filter) == std::string::npos) continue;
    report.Run(name, [&](Report::Case& result) {
      const nlohmann::json item = ReadGoldenJson(file);
      std::filesystem::path data = file;
      const SafeTensors record = SafeTensors::Open(data.replace_extension(".safetensors").string());
      EndToEndCase(item, record, options).Check(result);
    });
  }
}

}  // namespace mind::diffusion
