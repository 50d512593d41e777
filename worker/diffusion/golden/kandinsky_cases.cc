#include "worker/diffusion/golden/kandinsky_cases.h"

#include <memory>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/stage_draws.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/pipelines/kandinsky.h"
#include "worker/diffusion/pipelines/kandinsky_prior.h"
#include "worker/diffusion/pipelines/resize.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr char kPriorClass[] = "KandinskyV22PriorPipeline";

class KandinskyReplay {
 public:
  KandinskyReplay(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                  Report::Case& result)
      : item_(item),
        record_(record),
        options_(options),
        directory_((options.directory / item.at("model").get<std::string>()).string()),
        result_(result),
        rows_(record.Get("image").size(0)),
        tolerance_(ToleranceByFloors(item, kSampledTolerance)) {}

  void RunPrior() const {
    const c10::InferenceMode inference;
    const KandinskyPrior prior(directory_, /*prefix=*/"", options_.parameters(), ModelInfo(), nullptr);
    const at::Tensor nothing = PictureOfNothing(directory_, /*prefix=*/"", options_.parameters());
    for (int64_t row = 0; row < rows_; ++row) {
      PictureRequest request;
      ReadTextRequest(item_, row / item_.at("num_images_per_prompt").get<int64_t>(), request);
      request.prior_guidance = request.guidance;
      request.guidance = 2;  // the decoder's: it asks for the negative prompt's
      const std::vector<int64_t> shape = prior.ShapeFor(request, 0, 0);
      // The prompts' rows, then the negative prompts'.
      const auto of = [&](const at::Tensor& tensor) {
        return shape.size() == 1 ? tensor[row] : at::stack({tensor[row], tensor[rows_ + row]});
      };
      Conditioning conditioning = prior.Condition(request, shape);
      CheckIds(prior.text(), request.prompt, row);
      if (shape.size() == 2) CheckIds(prior.text(), *request.negative_prompt, rows_ + row);
      result_.Compare("prompt_embeds", conditioning.rows.back()[Condition::kPooled],
                      of(record_.Get("prompt_embeds")), tolerance_);
      const at::Tensor x = CheckSteps(prior, {}, request, shape, conditioning, row, of);
      const at::Tensor made = prior.Result(x);
      const bool both = made.dim() == 2;
      result_.Compare("image_embeds", both ? made[0] : made, record_.Get("image")[row], tolerance_);
      result_.Compare("negative_image_embeds", both ? made[1] : nothing,
                      record_.Get("negative_image_embeds")[row], both ? tolerance_ : kComponentTolerance);
    }
  }

  void RunDecoder() const {
    const c10::InferenceMode inference;
    const at::Tensor embedding = Of("in.image_embeds", 0);
    const KandinskyDecoder decoder(directory_, options_.parameters(),
                                   KandinskyDecoder::DescribeDecoder(directory_), at::zeros_like(embedding));
    const auto side = [&](const char* key) { return item_.at(key).get<int64_t>(); };
    PictureRequest request;
    ReadTextRequest(item_, 0, request);
    const std::vector<int64_t> shape = decoder.ShapeFor(request, side("width"), side("height"));
    for (int64_t row = 0; row < rows_; ++row) {
      const auto of = [row](const at::Tensor& tensor) { return tensor[row]; };
      Conditioning conditioning = decoder.Condition(request, shape);
      const at::Tensor x =
          CheckSteps(decoder, SourceOf(row, decoder, shape), request, shape, conditioning, row, of);
      result_.Compare("image", decoder.Decode(x), record_.Get("image")[row], tolerance_);
    }
  }

 private:
  // Of a tensor with a row for each picture, or one for all.
  at::Tensor Of(const std::string& name, int64_t row) const {
    const at::Tensor tensor = record_.Get(name);
    return tensor[row * tensor.size(0) / rows_].to(options_.device);
  }

  // Its picture of the size of the latents, whatever the case's own is.
  Source SourceOf(int64_t row, const KandinskyDecoder& decoder, at::IntArrayRef shape) const {
    Source source;
    source.result = at::stack({Of("in.image_embeds", row), Of("in.negative_image_embeds", row)});
    source.strength = item_.value("strength", 1.0);
    if (!record_.Has("in.image")) return source;
    source.original = ToBytes(Of("in.image", row));
    const int64_t reduction = decoder.movq().config().reduction();
    const at::Tensor resized =
        ResizePicture(source.original, shape[2] * reduction, shape[1] * reduction, decoder.source_filter());
    source.picture = ToFloats(resized, options_.device);
    if (record_.Has("in.mask")) source.mask = Of("in.mask", row);
    return source;
  }

  void CheckIds(const PromptEncoder& encoder, const std::string& prompt, int64_t row) const {
    const at::Tensor ids = record_.Get("prompt_ids")[row].contiguous();
    const auto length = static_cast<size_t>(ids.numel());
    result_.ExpectEqual("prompt_ids", encoder.tokenizer().EncodePadded(prompt, length),
                        {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + length});
  }

  // The arguments of the first call, those that guidance leads away from first.
  void CheckFirstCall(const Conditioning& conditioning, const at::Tensor& input, int64_t row) const {
    const auto halves = static_cast<int64_t>(conditioning.rows.size());
    const auto check = [&](const std::string& name, const Told& told, int64_t half, const at::Tensor& ours) {
      if (record_.Has(name))
        result_.Compare(name, ours.defined() ? ours : at::cat({input, told[Condition::kChannels]}),
                        record_.Get(name)[half * rows_ + row], tolerance_);
    };
    if (record_.Has("unet.image_embeds"))
      result_.ExpectEqual("rows", {halves * rows_}, {record_.Get("unet.image_embeds").size(0)});
    for (int64_t half = 0; half < halves; ++half) {
      const Told& told = conditioning.rows[static_cast<size_t>(half)];
      check("unet.image_embeds", told, half, told[Condition::kImage]);
      check("unet.sample_first", told, half, told[Condition::kChannels].defined() ? at::Tensor() : input);
    }
  }

  std::unique_ptr<const Sampler> MakeRecordedSampler() const {
    const SamplerConfig config = SamplerConfig::From(Config(item_.at("scheduler"), "the case's scheduler"));
    return MakeSampler(DefaultSamplerName(config), config, item_.at("num_inference_steps").get<int64_t>());
  }

  // From the stage's beginning to x at its end. `of`: from a recorded tensor, this picture's part.
  template <typename Part>
  at::Tensor CheckSteps(const Pipeline& pipeline, const Source& source, const PictureRequest& request,
                        at::IntArrayRef shape, Conditioning& conditioning, int64_t row,
                        const Part& of) const {
    StageDraws draws(item_, record_, of);
    std::vector<at::Tensor> before = draws.TakeBeginning();
    if (record_.Has("in.latents")) before.push_back(of(record_.Get("in.latents")));
    OrderedNoise beginning(before);
    const Start start = pipeline.Begin(source, request, shape, beginning);
    beginning.ExpectAllUsed();
    if (record_.Has("init_latents"))
      result_.Compare("init_latents", start.x0, Of("init_latents", row), tolerance_);
    pipeline.Tell(source, start, request, conditioning);

    const std::unique_ptr<const Sampler> sampler = MakeRecordedSampler();
    SampleState state = Beginning(start, source.strength, *sampler);
    state.noise = std::make_unique<StageNoise>(draws);
    if (record_.Has("first_step_input"))
      result_.Compare("first step input", state.x, of(record_.Get("first_step_input")), tolerance_);
    const at::Tensor latents = record_.Get("latents_per_step"),
                     outputs = record_.Get("model_outputs_after_cfg"),
                     timesteps = record_.Get("timesteps").to(at::kDouble);
    const int64_t passed_over = timesteps.size(0) - outputs.size(0);
    int64_t call = 0;
    RunToEnd(
        *sampler, state,
        [&](const at::Tensor& input, double timestep) {
          if (call == outputs.size(0)) throw Error("we take more evaluations than the reference");
          const std::string number = std::to_string(call);
          result_.Compare("timestep " + number, at::tensor(timestep + 1000),
                          at::tensor(timesteps[passed_over + call].item<double>() + 1000), 1e-6);
          if (call == 0) CheckFirstCall(conditioning, input, row);
          if (record_.Has("step_inputs"))
            result_.Compare("step input " + number, input, of(record_.Get("step_inputs")[call]), tolerance_);
          const at::Tensor output = EvaluateAlone(pipeline.denoiser(), conditioning, input, timestep);
          result_.Compare("output " + number, output, of(outputs[call]), tolerance_);
          ++call;
          return output;
        },
        [&] {
          // Recorded before the known part was put back.
          result_.Compare("latent " + std::to_string(call), state.x, of(latents[call - 1]), tolerance_);
          KeepKnown(start, *sampler, state);
        });
    result_.ExpectEqual("evaluations", {call}, {outputs.size(0)});
    result_.Expect(draws.left.empty(), std::to_string(draws.left.size()) + " recorded draws are not used");
    return state.x;
  }

  const nlohmann::json& item_;
  const Record& record_;
  const GoldenOptions& options_;
  const ModelDirectory directory_;
  Report::Case& result_;
  const int64_t rows_;  // pictures
  const double tolerance_;
};

}  // namespace

bool IsKandinsky(const std::string& pipeline) {
  return pipeline.starts_with("KandinskyV22");
}

void CheckKandinsky(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                    Report::Case& result) {
  const KandinskyReplay replay(item, record, options, result);
  item.at("pipeline") == kPriorClass ? replay.RunPrior() : replay.RunDecoder();
}

}  // namespace mind::diffusion
