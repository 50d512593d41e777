#include "worker/diffusion/golden/base_refiner_case.h"

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/golden/trajectory_case.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/start.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

// One of the two, from the step it begins at.
class RecordedStage {
 public:
  RecordedStage(const nlohmann::json& item, const Record& record, const GoldenOptions& options, size_t number,
                std::string prefix)
      : item_(item),
        record_(record),
        prefix_(std::move(prefix)),
        pipeline_(LoadPipeline((options.directory / item.at("model").at(number).get<std::string>()).string(),
                               options.parameters())),
        text_(dynamic_cast<const TextToImagePipeline&>(*pipeline_)),
        config_(SamplerConfig::From(
            Config(item.at("schedulers").at(prefix_ + "_scheduler"), "the case's scheduler"))),
        sampler_(MakeSampler(DefaultSamplerName(config_), config_,
                             item.at("num_inference_steps").get<int64_t>())) {}

  const Pipeline& pipeline() const { return *pipeline_; }
  double initial_scale() const { return sampler_->initial_scale(); }
  int64_t StepsBeforeShare(const char* key) const {
    return StepsBefore(item_.at(key), *sampler_, config_.train_steps);
  }
  int64_t steps() const { return sampler_->steps(); }

  // Takes the steps from `begin` to `end` of one picture and returns x.
  at::Tensor Check(at::Tensor x, int64_t row, int64_t begin, int64_t end, Report::Case& result) const {
    PictureRequest request;
    ReadTextRequest(item_, row, request);
    const Conditioning conditioning = pipeline_->Condition(request, x.sizes());
    CheckTextIds(text_, item_, record_, prefix_ + ".", result);
    result.Compare(prefix_ + " first step input", x, Get("first_step_input")[row], kSampledTolerance);
    const at::Tensor latents = Get("latents_per_step"), outputs = Get("model_outputs_after_cfg"),
                     timesteps = Get("timesteps").to(at::kDouble);
    result.ExpectEqual(prefix_ + " steps", {end - begin}, {outputs.size(0)});
    SampleState state;
    state.x = std::move(x);
    for (state.step = begin; state.step < end;) {
      const int64_t step = state.step, call = step - begin;
      TakeStep(*sampler_, state, [&](const at::Tensor& input, double timestep) {
        result.Compare(prefix_ + " timestep", at::tensor(timestep + 1000),
                       at::tensor(timesteps[step].item<double>() + 1000), 1e-6);
        if (call == 0)
          CheckFirstCall(record_, *pipeline_, conditioning, row, input, timestep, result, prefix_ + ".");
        const at::Tensor output = EvaluateAlone(pipeline_->denoiser(), conditioning, input, timestep);
        result.Compare(prefix_ + " output", output, outputs[call][row], kSampledTolerance);
        return output;
      });
      result.Compare(prefix_ + " latent", state.x, latents[call][row], kSampledTolerance);
    }
    return state.x;
  }

 private:
  at::Tensor Get(const std::string& name) const { return record_.Get(prefix_ + "." + name); }

  const nlohmann::json& item_;
  const Record& record_;
  const std::string prefix_;
  const std::unique_ptr<const Pipeline> pipeline_;
  const TextToImagePipeline& text_;
  const SamplerConfig config_;
  const std::unique_ptr<const Sampler> sampler_;
};

}  // namespace

void CheckBaseThenRefiner(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                          Report::Case& result) {
  const RecordedStage base(item, record, options, 0, "base"), refiner(item, record, options, 1, "refiner");
  const at::Tensor first = record.Get("in.latents"), handed = record.Get("handed_over_latents"),
                   image = record.Get("image");
  for (int64_t row = 0; row < first.size(0); ++row) {
    at::Tensor x = first[row].to(options.device) * base.initial_scale();
    x = base.Check(x, row, 0, base.StepsBeforeShare("denoising_end"), result);
    result.Compare("handed over", x, handed[row], kSampledTolerance);
    x = refiner.Check(x, row, refiner.StepsBeforeShare("denoising_start"), refiner.steps(), result);
    result.Compare("image", refiner.pipeline().Decode(x), image[row], kSampledTolerance);
  }
}

}  // namespace mind::diffusion
