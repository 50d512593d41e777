// e2e/*.json: a whole pipeline from prompt and recorded noise to picture.
#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/pixel_cases.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/weights/safetensors.h"

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
    from_image_ = kind == "StableDiffusionUpscalePipeline" || kind == "StableDiffusionImg2ImgPipeline" ||
                  kind == "StableDiffusionInpaintPipeline" || kind == "StableDiffusionDepth2ImgPipeline";
    text_ = kind == "StableDiffusionPipeline" || from_image_;
    if (!text_ && kind != "DDPMPipeline" && kind != "DDIMPipeline" && kind != "DiTPipeline")
      throw UnsupportedError("the pipeline " + kind);
    SamplerConfig config = SamplerConfig::From(Config(item.at("scheduler"), "the case's scheduler"));
    config.eta = item.value("eta", 0.0);
    sampler_ = MakeSampler(DefaultSamplerName(config), config, item.at("num_inference_steps").get<int64_t>());
    pipeline_ = LoadPipeline((options.directory / item.at("model").get<std::string>()).string(),
                             options.parameters());
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
      request.noise_level = item_.value("noise_level", request.noise_level);
    }
    if (item_.contains("class_labels")) {
      request.label = item_.at("class_labels").at(static_cast<size_t>(row)).get<int64_t>();
      request.guidance = item_.at("guidance_scale");
    }
    Conditioning conditioning = pipeline_->Condition(request);
    if (text_) {
      result.Compare("prompt embedding", conditioning.rows.back().context, record_.Get("prompt_embeds")[row],
                     kTolerance);
    }

    Source source;
    if (from_image_) {
      source.picture = start.to(pipeline_->device());
      source.strength = item_.value("strength", 1.0);
      if (record_.Has("in.depth_map")) {
        source.depth = record_.Get("in.depth_map")[row].unsqueeze(0).to(pipeline_->device());
      }
      if (record_.Has("in.mask")) source.mask = record_.Get("in.mask")[row].to(pipeline_->device());
    }
    const std::vector<at::Tensor> beginning = BeginningDraws(row, start);
    OrderedNoise first(beginning);
    const at::Tensor latents = record_.Get("latents_per_step");
    const Start begun = pipeline_->Begin(source, request, latents[0][row].sizes(), first);
    for (ConditionRow& one : conditioning.rows) one.channels = begun.channels;
    SampleState state = Beginning(begun, source.strength, *sampler_);
    state.noise = StepDraws(row, from_image_ ? beginning.size() : text_ ? 0 : 1);
    Evaluator evaluator;
    const at::Tensor outputs = record_.Get("model_outputs_after_cfg");
    int64_t call = 0;
    while (state.step < sampler_->steps()) {
      Task step = sampler_->Step(state, evaluator);
      for (step.Resume(); !step.done(); step.Resume(), ++call) {
        const at::Tensor output =
            EvaluateAlone(pipeline_->denoiser(), conditioning, evaluator.input(), evaluator.timestep());
        static_cast<RecordedNoise&>(*state.noise).set_step(call);
        // A variance the sampler has no use for is not in the record.
        result.Compare("output " + std::to_string(call), output.slice(0, 0, outputs.size(2)),
                       outputs[call][row], kTolerance);
        evaluator.Answer(output);
      }
      // Recorded before the known part was put back.
      result.Compare("latent " + std::to_string(call), state.x, latents[call - 1][row], kTolerance);
      ++state.step;
      KeepKnown(begun, *sampler_, state);
    }
    result.Compare("image", pipeline_->Decode(state.x), record_.Get("image")[row], kTolerance);
  }

  at::Tensor Draw(size_t k, int64_t row) const {
    char name[16];
    std::snprintf(name, sizeof name, "noise.%03d", static_cast<int>(k));
    return record_.Has(name) ? record_.Get(name)[row] : at::Tensor();
  }

  // What is drawn before the first step: the starting noise, and where there is a source picture what its
  // encoder draws.
  std::vector<at::Tensor> BeginningDraws(int64_t row, const at::Tensor& start) const {
    if (!from_image_) return {start};
    std::vector<at::Tensor> draws;
    for (const auto& draw : item_.at("noise_draws")) {
      const std::string where = draw.at("where");
      if (where == "vae.sample" || where.find("prepare_latents") != std::string::npos ||
          where.find("upscale.__call__") != std::string::npos) {
        draws.push_back(Draw(draws.size(), row));
      }
    }
    return draws;
  }

  // The others: one a call of the scheduler's step.
  std::unique_ptr<NoiseSource> StepDraws(int64_t row, size_t before) const {
    auto noise = std::make_unique<RecordedNoise>();
    for (size_t k = before;; ++k) {
      const at::Tensor draw = Draw(k, row);
      if (!draw.defined()) return noise;
      noise->Record(static_cast<int64_t>(k - before), draw);
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
      if (CheckGlide(item, record, options, result) || CheckChain(item, record, options, result)) return;
      EndToEndCase(item, record, options).Check(result);
    });
  }
}

}  // namespace mind::diffusion
