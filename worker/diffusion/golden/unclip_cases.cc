#include "worker/diffusion/golden/unclip_cases.h"

#include <map>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/stage_draws.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/golden/unclip_component_cases.h"
#include "worker/diffusion/pipelines/stable_unclip.h"
#include "worker/diffusion/pipelines/unclip.h"
#include "worker/diffusion/pipelines/unclip_prior.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr double kPictureTolerance = 2e-5;  // of what CLIP sees and makes of a picture

// The stages of a pipeline by what is before the names of their tensors; "": the one without.
const std::map<std::string, std::vector<std::string>> kStages = {
    {"UnCLIPPipeline", {"prior", "decoder", "super_res"}},
    {"UnCLIPImageVariationPipeline", {"decoder", "super_res"}},
    {"StableUnCLIPPipeline", {"prior", ""}},
    {"StableUnCLIPImg2ImgPipeline", {""}}};

class UnclipReplay {
 public:
  UnclipReplay(const nlohmann::json& item, const Record& record, const Pipeline& first, Report::Case& result)
      : item_(item),
        record_(record),
        first_(first),
        result_(result),
        names_(kStages.at(item.at("pipeline"))),
        rows_(record.Get("image").size(0)),
        tolerance_(ToleranceByFloors(item, kSampledTolerance)) {}

  void Run() const {
    for (int64_t row = 0; row < rows_; ++row) {
      StageDraws draws(item_, record_,
                       [&](const at::Tensor& noise) { return noise[row * noise.size(0) / rows_]; });
      const Pipeline* pipeline = &first_;
      Source source = SourceOf(row);
      for (const std::string& name : names_) {
        const at::Tensor x = CheckStage(*pipeline, name, source, row, draws);
        if (pipeline->next() == nullptr) {
          result_.Compare("image", pipeline->Decode(x), record_.Get("image")[row], tolerance_);
          break;
        }
        source = Source();
        source.result = pipeline->Result(x);
        if (name == "prior" && record_.Has("image_embeddings"))
          result_.Compare("image_embeddings", source.result, Of("image_embeddings", row), tolerance_);
        pipeline = pipeline->next();
      }
      result_.Expect(draws.left.empty(), std::to_string(draws.left.size()) + " recorded draws are not used");
    }
  }

 private:
  static std::string Key(const std::string& stage, const std::string& key) {
    return stage.empty() ? key : stage + "_" + key;
  }
  static std::string Name(const std::string& stage, const std::string& name) {
    return stage.empty() ? name : stage + "." + name;
  }
  // Of a tensor with a row for each picture, or for each prompt.
  at::Tensor Of(const std::string& name, int64_t row) const {
    const at::Tensor tensor = record_.Get(name);
    return tensor[row * tensor.size(0) / rows_].to(first_.device());
  }
  bool karlo() const { return names_.back() == "super_res"; }

  PictureRequest RequestOf(int64_t row) const {
    nlohmann::json item = item_;
    if (karlo()) item["guidance_scale"] = item_.at("decoder_guidance_scale");
    PictureRequest request;
    ReadTextRequest(item, row / item_.value("num_images_per_prompt", int64_t{1}), request);
    if (!first_.info().takes_prompt) request.prompt.clear();  // the case says so in words
    request.prior_guidance = item_.value("prior_guidance_scale", 1.0);
    return request;
  }

  const PictureEncoder& Pictures() const {
    const auto* const decoder = dynamic_cast<const UnclipDecoder*>(&first_);
    return decoder != nullptr ? decoder->pictures()
                              : dynamic_cast<const StableUnclipPipeline&>(first_).pictures();
  }

  // The picture that is varied, of which every step to its embedding is recorded; or that itself.
  Source SourceOf(int64_t row) const {
    Source source;
    if (!first_.info().varies) return source;
    if (record_.Has("in.image_embeddings")) {
      source.result = Of("in.image_embeddings", row);
      result_.Compare("image_embeddings", source.result, Of("image_embeddings", row), kPictureTolerance);
      return source;
    }
    const std::string numbered = "in.image." + std::to_string(row);
    source.original = ToBytes(record_.Has(numbered) ? record_.Get(numbered)[0] : Of("in.image", row).cpu());
    const at::Tensor pixels = Pictures().Pixels(source.original);
    result_.Compare("pixel_values", pixels, Of("pixel_values", row), kPictureTolerance);
    const at::Tensor embedding = Pictures().Embed(pixels);
    for (const char* const name : {"image_embeds", "image_embeddings"}) {
      if (record_.Has(name)) result_.Compare(name, embedding, Of(name, row), kPictureTolerance);
    }
    return source;
  }

  void CheckIds(const std::string& name, const PromptEncoder& encoder, const std::string& prompt,
                int64_t row) const {
    if (!record_.Has(name)) return;
    const at::Tensor ids = Of(name, row).cpu().contiguous();
    const auto length = static_cast<size_t>(ids.numel());
    result_.ExpectEqual(name, encoder.tokenizer().EncodePadded(prompt, length),
                        {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + length});
  }

  // The prompt, as it was read.
  void CheckPrompt(const Pipeline& pipeline, const std::string& stage, const PictureRequest& request,
                   const Conditioning& conditioning, int64_t row) const {
    const Told& own = conditioning.rows.back();
    if (const auto* const prior = dynamic_cast<const UnclipPrior*>(&pipeline))
      CheckIds(karlo() ? "prompt_ids" : "prior.prompt_ids", prior->text(), request.prompt, row);
    if (const auto* const decoder = dynamic_cast<const UnclipDecoder*>(&pipeline))
      CheckIds("prompt_ids", decoder->text(), request.prompt, row);
    if (const auto* const latent = dynamic_cast<const TextToImagePipeline*>(&pipeline))
      CheckIds("prompt_ids", latent->encoder(0), request.prompt, row);
    const auto check = [&](const std::string& name, Condition kind) {
      if (record_.Has(name)) result_.Compare(name, own[kind], Of(name, row), tolerance_);
    };
    if (karlo() && stage != "super_res") {
      check("prompt_embeds", Condition::kPooled);
      check("prompt_hidden_states", Condition::kText);
    }
    if (stage == "prior") CheckRows("prior.image_embeds", Condition::kPooled, conditioning, row);
  }

  // A tensor with the rows that guidance leads away from first, as ours are.
  void CheckRows(const std::string& name, Condition kind, const Conditioning& conditioning,
                 int64_t row) const {
    if (!record_.Has(name)) return;
    at::Tensor expected = record_.Get(name).to(first_.device());
    if (kind == Condition::kTextMask) expected = ToldMask(expected);
    const auto halves = static_cast<int64_t>(conditioning.rows.size());
    result_.ExpectEqual(name + ", rows", {halves * rows_}, {expected.size(0)});
    for (int64_t half = 0; half < halves; ++half) {
      result_.Compare(name, conditioning.rows[static_cast<size_t>(half)][kind], expected[half * rows_ + row],
                      tolerance_);
    }
  }

  void CheckTold(const std::string& stage, const Conditioning& conditioning, int64_t row) const {
    const auto check = [&](const std::string& name, Condition kind) {
      CheckRows(name, kind, conditioning, row);
    };
    if (stage == "decoder") {
      check("text_proj.encoder_hidden_states", Condition::kText);
      check("text_proj.additive_clip_time_embeddings", Condition::kImage);
      check("decoder.attention_mask", Condition::kTextMask);
    } else if (stage.empty()) {
      check("unet.class_labels", Condition::kImage);
      check("unet.encoder_hidden_states", Condition::kText);
    }
  }

  std::unique_ptr<const Sampler> SamplerOf(const std::string& stage) const {
    const nlohmann::json scheduler = item_.contains("schedulers")
                                         ? item_.at("schedulers").at(Key(stage, "scheduler"))
                                         : item_.at("scheduler");
    SamplerConfig config = SamplerConfig::From(Config(scheduler, "the case's " + Key(stage, "scheduler")));
    if (stage.empty()) config.eta = item_.value("eta", 0.0);
    return MakeSampler(DefaultSamplerName(config), config,
                       item_.at(Key(stage, "num_inference_steps")).get<int64_t>());
  }

  Start Begin(const Pipeline& pipeline, const std::string& stage, const Source& source,
              const PictureRequest& request, at::IntArrayRef shape, int64_t row, StageDraws& draws) const {
    std::vector<at::Tensor> before = draws.TakeBeginning();
    if (const std::string given = "in." + Key(stage, "latents"); record_.Has(given))
      before.push_back(record_.Get(given)[row]);
    OrderedNoise beginning(before);
    Start start = pipeline.Begin(source, request, shape, beginning);
    beginning.ExpectAllUsed();
    return start;
  }

  // From the stage's beginning to x at its end.
  at::Tensor CheckStage(const Pipeline& pipeline, const std::string& stage, const Source& source, int64_t row,
                        StageDraws& draws) const {
    const auto recorded = [&](const char* name) { return record_.Get(Name(stage, name)); };
    const at::Tensor latents = recorded("latents_per_step"), outputs = recorded("model_outputs_after_cfg"),
                     timesteps = recorded("timesteps").to(at::kDouble);
    const std::vector<int64_t> shape = latents[0][row].sizes().vec();
    const PictureRequest request = RequestOf(row);
    Conditioning conditioning = pipeline.Condition(request, shape);
    CheckPrompt(pipeline, stage, request, conditioning, row);
    const Start start = Begin(pipeline, stage, source, request, shape, row, draws);
    pipeline.Tell(source, start, request, conditioning);
    CheckTold(stage, conditioning, row);

    const std::unique_ptr<const Sampler> sampler = SamplerOf(stage);
    SampleState state = Beginning(start, 1, *sampler);
    state.noise = std::make_unique<StageNoise>(draws);
    int64_t call = 0;
    RunToEnd(
        *sampler, state,
        [&](const at::Tensor& input, double timestep) {
          if (call == outputs.size(0)) throw Error(stage + " takes more evaluations than the reference");
          result_.Compare(Name(stage, "timestep"), at::tensor(timestep + 1000),
                          at::tensor(timesteps[call].item<double>() + 1000), 1e-6);
          if (const std::string name = Name(stage, "unet_input_first"); call == 0 && record_.Has(name))
            result_.Compare(name, at::cat({input, start.channels}), record_.Get(name)[row], tolerance_);
          const at::Tensor output = EvaluateAlone(pipeline.denoiser(), conditioning, input, timestep);
          result_.Compare(Name(stage, "output " + std::to_string(call)), output, outputs[call][row],
                          tolerance_);
          ++call;
          return output;
        },
        [&] {
          result_.Compare(Name(stage, "latent " + std::to_string(call)), state.x, latents[call - 1][row],
                          tolerance_);
        });
    result_.ExpectEqual(Name(stage, "evaluations"), {call}, {outputs.size(0)});
    return state.x;
  }

  const nlohmann::json& item_;
  const Record& record_;
  const Pipeline& first_;
  Report::Case& result_;
  const std::vector<std::string>& names_;
  const int64_t rows_;  // pictures
  const double tolerance_;
};

}  // namespace

bool IsUnclip(const std::string& pipeline) {
  return kStages.count(pipeline) != 0;
}

void CheckUnclip(const nlohmann::json& item, const Record& record, const Pipeline& first,
                 Report::Case& result) {
  UnclipReplay(item, record, first, result).Run();
}

}  // namespace mind::diffusion
