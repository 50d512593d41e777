#include "worker/diffusion/golden/floyd_cases.h"

#include <algorithm>
#include <set>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/pipelines/deepfloyd.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

const std::set<std::string> kFloydPipelines = {"IFPipeline", "IFImg2ImgPipeline", "IFInpaintingPipeline",
                                               "IFSuperResolutionPipeline"};

// The first stage that reads a later one's prompts: the one that the case names, or that lies beside its
// model.
std::filesystem::path FirstStageOf(const nlohmann::json& item, const GoldenOptions& options) {
  if (item.contains("text_from")) return options.directory / item.at("text_from").get<std::string>();
  const std::filesystem::path model = options.directory / item.at("model").get<std::string>();
  const auto is_first = [](const std::filesystem::path& path) {
    return ModelDirectory(path.string()).pipeline_class() == "IFPipeline";
  };
  if (is_first(model)) return model;
  for (const auto& entry : std::filesystem::directory_iterator(model.parent_path())) {
    if (is_first(entry.path())) return entry.path();
  }
  throw Error(model.string() + ": no IFPipeline beside it");
}

// The case's model, and the one that reads its prompts, as a user would have told them how to.
class FloydModels {
 public:
  FloydModels(const nlohmann::json& item, const GoldenOptions& options)
      : first_directory_(FirstStageOf(item, options)) {
    if (!item.at("clean_caption").get<bool>())
      first_directory_.Write("mind.json", {{"clean_caption", false}});
    const ModelDirectory first(first_directory_.path());
    first_ = LoadPipeline(first.path(), options.parameters());
    const ModelDirectory own((options.directory / item.at("model").get<std::string>()).string(), first);
    if (own.text_of().empty()) return;  // the first itself
    second_ = LoadStage(own, options.parameters(), first_.get());
  }

  const Pipeline& pipeline() const { return second_ ? *second_ : *first_; }
  const FloydText& text() const { return *dynamic_cast<const FloydPipeline&>(*first_).text(); }

 private:
  ExtendedModel first_directory_;
  std::unique_ptr<const Pipeline> first_, second_;
};

std::unique_ptr<const Sampler> FloydSamplerOf(const nlohmann::json& item) {
  SamplerConfig config = SamplerConfig::From(Config(item.at("scheduler"), "the case's scheduler"));
  if (item.contains("timesteps")) config.custom_timesteps = item.at("timesteps").get<std::vector<int64_t>>();
  const auto steps = static_cast<int64_t>(config.custom_timesteps.size());
  return MakeSampler(DefaultSamplerName(config), config,
                     steps > 0 ? steps : item.at("num_inference_steps").get<int64_t>());
}

class FloydReplay {
 public:
  FloydReplay(const nlohmann::json& item, const Record& record, const FloydModels& models,
              Report::Case& result)
      : item_(item),
        record_(record),
        models_(models),
        pipeline_(models.pipeline()),
        result_(result),
        rows_(record.Get("image").size(0)),
        tolerance_(ToleranceByFloors(item, kSampledTolerance)),
        sampler_(FloydSamplerOf(item)) {}

  void Run() const {
    for (int64_t row = 0; row < rows_; ++row) {
      PictureRequest request;
      ReadTextRequest(item_, row / item_.value("num_images_per_prompt", int64_t{1}), request);
      CheckPrompt("prompt", request.prompt, row);
      CheckPrompt("negative_prompt", request.negative_prompt.value_or(""), row);
      CheckRow(request, row);
    }
  }

 private:
  // Of a tensor with a row for each picture, or for each prompt or picture to begin with.
  at::Tensor Of(const std::string& name, int64_t row) const {
    const at::Tensor tensor = record_.Get(name);
    return tensor[row * tensor.size(0) / rows_];
  }

  void CheckPrompt(const std::string& name, const std::string& prompt, int64_t row) const {
    const std::string caption = models_.text().Caption(prompt);
    if (const std::string key = "preprocessed_" + name; item_.contains(key) && !item_.at(key).is_null()) {
      const auto expected = item_.at(key).get<std::vector<std::string>>();
      const std::string& own =
          expected[static_cast<size_t>(row) * expected.size() / static_cast<size_t>(rows_)];
      result_.Expect(caption == own, name + " is made \"" + caption + "\", not \"" + own + "\"");
    }
    if (!record_.Has(name + "_ids")) return;
    const at::Tensor ids = Of(name + "_ids", row).contiguous(), mask = Of(name + "_mask", row);
    const auto length = static_cast<size_t>(ids.numel());
    result_.ExpectEqual(name + "_ids", models_.text().tokenizer().EncodePadded(caption, length),
                        {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + length});
    const size_t tokens = std::min(models_.text().tokenizer().Encode(caption).size(), length);
    result_.ExpectEqual(name + "_mask", {static_cast<int64_t>(tokens)}, {mask.sum().item<int64_t>()});
  }

  // A tensor with the rows that guidance leads away from first, as ours are.
  void CheckHalves(const std::string& name, const std::vector<at::Tensor>& halves, int64_t row) const {
    if (!record_.Has(name)) return;
    const at::Tensor expected = record_.Get(name);
    const auto count = static_cast<int64_t>(halves.size());
    result_.ExpectEqual(name + ", rows", {count * rows_}, {expected.size(0)});
    for (int64_t half = 0; half < count; ++half)
      result_.Compare(name, halves[static_cast<size_t>(half)].to(at::kFloat),
                      expected[half * rows_ + row].to(at::kFloat), tolerance_);
  }

  void CheckTold(const Conditioning& conditioning, int64_t row) const {
    for (const std::string prefix : {"", "in."}) {
      const auto check = [&](const std::string& name, const Told& told) {
        if (record_.Has(prefix + name))
          result_.Compare(name, told[Condition::kText], Of(prefix + name, row), tolerance_);
      };
      check("prompt_embeds", conditioning.rows.back());
      check("negative_prompt_embeds", conditioning.rows.front());
    }
    std::vector<at::Tensor> labels;
    for (const Told& told : conditioning.rows) labels.push_back(told[Condition::kLabel]);
    CheckHalves("unet_class_labels", labels, row);
  }

  // Pictures as the engine makes them of files; or what the first stage has handed over.
  Source SourceOf(at::IntArrayRef shape, int64_t row) const {
    Source source;
    if (!record_.Has("in.image")) return source;
    if (pipeline_.info().enlargement > 1) {
      source.result = Of("in.image", row).to(pipeline_.device());
      return source;
    }
    const auto resized = [&](const std::string& name) {
      const at::Tensor bytes =
          ResizePicture(ToBytes(Of(name, row)), shape[2], shape[1], pipeline_.source_filter());
      return ToFloats(bytes, pipeline_.device());
    };
    source.picture = resized("in.image");
    if (record_.Has("in.mask")) source.mask = resized("in.mask");
    source.strength = item_.at("strength");
    return source;
  }

  // The picture's draws: those of samplers, or those before.
  OrderedNoise DrawsOf(bool in_steps, int64_t row) const {
    std::vector<at::Tensor> draws;
    for (const auto& draw : item_.at("noise_draws")) {
      if (draw.at("where").get<std::string>().starts_with("scheduling_") == in_steps)
        draws.push_back(Of(draw.at("tensor"), row));
    }
    return OrderedNoise(draws);
  }

  void CheckRow(const PictureRequest& request, int64_t row) const {
    const at::Tensor latents = record_.Get("latents_per_step"),
                     outputs = record_.Get("model_outputs_after_cfg"),
                     timesteps = record_.Get("timesteps").to(at::kDouble);
    const std::vector<int64_t> shape = latents[0][row].sizes().vec();
    Conditioning conditioning = pipeline_.Condition(request, shape);
    CheckTold(conditioning, row);
    const Source source = SourceOf(shape, row);
    OrderedNoise beginning = DrawsOf(/*in_steps=*/false, row);
    const Start start = pipeline_.Begin(source, request, shape, beginning);
    beginning.ExpectAllUsed();
    pipeline_.Tell(source, start, request, conditioning);

    SampleState state = Beginning(start, source.strength, *sampler_);
    auto noise = std::make_unique<OrderedNoise>(DrawsOf(/*in_steps=*/true, row));
    const OrderedNoise& draws = *noise;
    state.noise = std::move(noise);
    if (record_.Has("first_step_input"))
      result_.Compare("first step input", state.x, Of("first_step_input", row), tolerance_);
    const int64_t calls = outputs.size(0), passed_over = timesteps.size(0) - calls;
    int64_t call = 0;
    RunToEnd(
        *sampler_, state,
        [&](const at::Tensor& input, double timestep) {
          if (call == calls) throw Error("the reference takes fewer evaluations: " + std::to_string(calls));
          result_.Compare("timestep", at::tensor(timestep + 1000),
                          at::tensor(timesteps[passed_over + call].item<double>() + 1000), 1e-6);
          if (record_.Has("step_inputs"))
            result_.Compare("step input", input, record_.Get("step_inputs")[call][row], tolerance_);
          if (call == 0 && start.channels.defined()) {
            const at::Tensor seen = at::cat({input, start.channels});
            CheckHalves("unet_input_first", std::vector(conditioning.rows.size(), seen), row);
          }
          const at::Tensor output = EvaluateAlone(pipeline_.denoiser(), conditioning, input, timestep);
          result_.Compare("output " + std::to_string(call), output, outputs[call][row], tolerance_);
          ++call;
          return output;
        },
        [&] {
          // Recorded before the known part was put back.
          result_.Compare("latent " + std::to_string(call), state.x, latents[call - 1][row], tolerance_);
          KeepKnown(start, *sampler_, state);
        });
    result_.ExpectEqual("evaluations", {call}, {calls});
    draws.ExpectAllUsed();
    result_.Compare("image", pipeline_.Decode(state.x), record_.Get("image")[row], tolerance_);
  }

  const nlohmann::json& item_;
  const Record& record_;
  const FloydModels& models_;
  const Pipeline& pipeline_;
  Report::Case& result_;
  const int64_t rows_;  // pictures
  const double tolerance_;
  const std::unique_ptr<const Sampler> sampler_;
};

}  // namespace

bool IsFloyd(const std::string& pipeline) {
  return kFloydPipelines.count(pipeline) != 0;
}

void CheckFloyd(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                Report::Case& result) {
  const FloydModels models(item, options);
  FloydReplay(item, record, models, result).Run();
}

}  // namespace mind::diffusion
