#include "worker/diffusion/golden/sd3_cases.h"

#include <optional>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/perturbation.h"
#include "worker/diffusion/pipelines/stable_diffusion_3.h"
#include "worker/diffusion/samplers/flow_shift.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"
#include "worker/diffusion/weights/names/sd3_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr double kSd3LevelTolerance = 1e-6;
constexpr const char* kSd3Encoders[] = {"text_encoder", "text_encoder_2", "text_encoder_3"};

std::shared_ptr<const Perturbation> WithoutBlocks(const std::vector<int64_t>& numbers) {
  Perturbation blocks;
  for (const int64_t number : numbers) blocks.layers.push_back(Sd3Transformer::BlockName(number));
  return std::make_shared<const Perturbation>(std::move(blocks));
}

void CheckSd3Transformer(const fs::path& directory, NamedTensors stored, const nlohmann::json& item,
                         const Record& record, FileParameters::Options options, Report::Case& result) {
  FileParameters weights(std::move(stored), options);
  const Sd3Transformer transformer(Scope(weights),
                                   Sd3Config::From(Config::FromFile((directory / "config.json").string())));
  weights.ExpectAllTaken();
  const auto in = [&](const std::string& name) { return record.Get("in." + name).to(options.device); };
  DenoiserInput input{.sample = in("hidden_states"),
                      .timestep = in("timestep"),
                      .told = {{Condition::kText, in("encoder_hidden_states")},
                               {Condition::kPooled, in("pooled_projections")}}};
  if (item.contains("arguments"))
    input.told.Perturb(WithoutBlocks(item.at("arguments").at("skip_layers").get<std::vector<int64_t>>()));
  result.Compare("sample", transformer(input), record.Get("out.sample"), kComponentTolerance);
}

// Beside a model's folder, its transformer under Stability AI's names.
std::optional<NamedTensors> OriginalOf(const fs::path& directory) {
  const fs::path model = directory.parent_path();
  const fs::path file = fs::path(model.string() + "-original") / (model.filename().string() + ".safetensors");
  if (!fs::exists(file)) return std::nullopt;
  return FromOriginalSd3(ReadWeights(file.string()));
}

class Sd3Replay {
 public:
  Sd3Replay(const nlohmann::json& item, const Record& record, const StableDiffusion3Pipeline& pipeline,
            Report::Case& result)
      : item_(item),
        record_(record),
        pipeline_(pipeline),
        result_(result),
        pictures_(record.Get("image").size(0)),
        config_(OfPicture(SamplerConfig::From(Config(item.at("scheduler"), "the case's scheduler")),
                          record.Get("latents_per_step")[0][0].sizes())),
        sampler_(MakeSampler(DefaultSamplerName(config_), config_,
                             item.at("num_inference_steps").get<int64_t>())) {}

  void Run() const {
    const at::Tensor sigmas = record_.Get("sigmas"), times = record_.Get("timesteps");
    for (int64_t step = 0; step < sampler_->steps(); ++step) {
      const NoiseLevel level = sampler_->LevelOf(step);
      result_.Compare("sigma", at::full({}, level.sigma), sigmas[step], kSd3LevelTolerance);
      result_.Compare("timestep", at::full({}, level.timestep), times[step], kSd3LevelTolerance);
    }
    const int64_t each = item_.value("num_images_per_prompt", int64_t{1});
    for (int64_t row = 0; row < pictures_; ++row) {
      PictureRequest request;
      ReadTextRequest(item_, row / each, request);
      if (item_.contains("skip_guidance_layers")) ReadSkippedLayers(request.perturbed);
      CheckIds(PromptsOf(request), "0", row / each);
      if (request.guidance > 1) CheckIds(NegativeOf(request), "1", row / each);
      CheckPicture(request, row);
    }
  }

 private:
  void ReadSkippedLayers(PerturbedGuidance& perturbed) const {
    perturbed = {
        .scale = item_.at("skip_layer_guidance_scale"),
        .fall = 0,
        .layers = WithoutBlocks(item_.at("skip_guidance_layers").get<std::vector<int64_t>>())->layers,
        .steps = {.after = item_.at("skip_layer_guidance_start"),
                  .before = item_.at("skip_layer_guidance_stop")}};
  }

  static StableDiffusion3Pipeline::Prompts PromptsOf(const PictureRequest& request) {
    const std::string& prompt = request.prompt;
    return {prompt, request.prompt_2.empty() ? prompt : request.prompt_2,
            request.prompt_3.empty() ? prompt : request.prompt_3};
  }
  static StableDiffusion3Pipeline::Prompts NegativeOf(const PictureRequest& request) {
    const std::string negative = request.negative_prompt.value_or("");
    return {negative, negative, negative};
  }

  // What each encoder's tokenizer makes of its prompt. `call`: of the encoders, as the record counts them.
  void CheckIds(const StableDiffusion3Pipeline::Prompts& prompts, const std::string& call,
                int64_t number) const {
    for (size_t i = 0; i < prompts.size(); ++i) {
      const std::string name = std::string(kSd3Encoders[i]) + "." + call + ".arg0";
      if (!record_.Has(name)) continue;
      const at::Tensor ids = record_.Get(name)[number].contiguous();
      const auto length = static_cast<size_t>(ids.numel());
      const Tokenizer& tokenizer =
          i == 2 ? static_cast<const Tokenizer&>(pipeline_.t5()->tokenizer()) : pipeline_.clip(i).tokenizer();
      result_.ExpectEqual(name, tokenizer.EncodePadded(prompts[i], length),
                          {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + length});
    }
  }

  // The record's first call: a batch of the rows that guidance leads away from, then the pictures' own.
  void CheckFirst(const Conditioning& conditioning, const std::vector<at::Tensor>& answers,
                  const at::Tensor& input, double timestep, int64_t row) const {
    for (size_t i = 0; i < conditioning.rows.size(); ++i) {
      const int64_t place = static_cast<int64_t>(i) * pictures_ + row;
      const auto check = [&](const char* name, const at::Tensor& ours) {
        result_.Compare(name, ours, record_.Get(std::string("transformer.0.") + name)[place],
                        kSampledTolerance);
      };
      check("hidden_states", input);
      check("timestep", at::full({}, timestep));
      check("encoder_hidden_states", conditioning.rows[i][Condition::kText]);
      check("pooled_projections", conditioning.rows[i][Condition::kPooled]);
      check("out", answers[i]);
    }
  }

  void CheckPicture(const PictureRequest& request, int64_t row) const {
    const at::Tensor latents = record_.Get("latents_per_step"),
                     outputs = record_.Get("model_outputs_after_cfg");
    const std::vector<int64_t> shape = latents[0][row].sizes().vec();
    Conditioning conditioning = pipeline_.Condition(request, shape);
    Source source;
    if (record_.Has("in.image")) {
      source.picture = record_.Get("in.image")[row].to(pipeline_.device());
      source.strength = item_.at("strength");
    }
    std::vector<at::Tensor> draws;
    for (const auto& draw : item_.at("noise_draws")) draws.push_back(record_.Get(draw.at("tensor"))[row]);
    OrderedNoise noise(draws);
    const Start start = pipeline_.Begin(source, request, shape, noise);
    noise.ExpectAllUsed();
    pipeline_.Tell(source, start, request, conditioning);
    SampleState state = Beginning(start, source.strength, *sampler_);
    result_.Compare("first step input", state.x, record_.Get("step_input_0")[row], kSampledTolerance);
    int64_t call = 0;
    GuidanceMemory memory;
    RunToEnd(
        *sampler_, state,
        [&](const at::Tensor& input, double timestep) {
          if (call == outputs.size(0)) throw Error("the reference takes fewer evaluations");
          const int64_t calls = outputs.size(0);
          const CallNumber number{.number = call, .of = calls, .step = call, .steps = calls};
          Conditioning now = conditioning;
          now.rows = conditioning.RowsAt(number);
          const std::vector<at::Tensor> answers = EvaluateRows(pipeline_.denoiser(), now, input, timestep);
          if (call == 0) CheckFirst(now, answers, input, timestep, row);
          const at::Tensor output =
              Guide(conditioning, answers, timestep, memory, conditioning.PerturbedAt(number));
          result_.Compare("output " + std::to_string(call), output, outputs[call][row], kSampledTolerance);
          ++call;
          return output;
        },
        [&] {
          result_.Compare("latent " + std::to_string(call), state.x, latents[call - 1][row],
                          kSampledTolerance);
        });
    result_.ExpectEqual("evaluations", {call}, {outputs.size(0)});
    result_.Compare("image", pipeline_.Decode(state.x), record_.Get("image")[row], kSampledTolerance);
  }

  const nlohmann::json& item_;
  const Record& record_;
  const StableDiffusion3Pipeline& pipeline_;
  Report::Case& result_;
  const int64_t pictures_;
  const SamplerConfig config_;
  const std::unique_ptr<const Sampler> sampler_;
};

}  // namespace

bool RanSd3Case(const GoldenOptions& options, const nlohmann::json& item, Report& report) {
  if (!item.at("model").is_string()) return false;
  const fs::path directory = options.directory / item.at("model").get<std::string>();
  const fs::path file = directory / "config.json";
  if (!fs::exists(file) ||
      Config::FromFile(file.string()).String("_class_name", "") != "SD3Transformer2DModel")
    return false;
  const std::string name = item.at("name");
  report.Run("components/" + name, [&](Report::Case& result) {
    const Record& record = result.Open(options.directory / "components" / (name + ".safetensors"));
    const auto check = [&](NamedTensors stored) {
      CheckSd3Transformer(directory, std::move(stored), item, record, options.parameters(), result);
    };
    check(ReadComponent(directory.string()));
    if (std::optional<NamedTensors> original = OriginalOf(directory)) check(std::move(*original));
  });
  return true;
}

bool IsSd3(const std::string& pipeline) {
  return pipeline.starts_with("StableDiffusion3");
}

void CheckSd3(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
              Report::Case& result) {
  ExtendedModel model(options.directory / item.at("model").get<std::string>());
  model.Write("mind.json", {{"max_sequence_length", item.at("max_sequence_length")}});
  const std::unique_ptr<const Pipeline> pipeline = LoadPipeline(model.path(), options.parameters());
  Sd3Replay(item, record, dynamic_cast<const StableDiffusion3Pipeline&>(*pipeline), result).Run();
}

}  // namespace mind::diffusion
