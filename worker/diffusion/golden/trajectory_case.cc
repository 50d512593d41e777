#include "worker/diffusion/golden/trajectory_case.h"

#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/control_request.h"
#include "worker/diffusion/golden/picture_prompt_cases.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

constexpr double kNoiseTolerance = 1e-5;  // of the generator's draws, from one processor to another

// The draws of a record, in the order they were made in: {"tensor": "noise.003", "where":
// "scheduling_….step"}.
struct Draws {
  std::vector<std::string> before;  // the first step: the starting noise, what an encoder draws
  std::vector<std::string> steps;   // one a call of the scheduler's step

  explicit Draws(const nlohmann::json& item) {
    for (const auto& draw : item.value("noise_draws", nlohmann::json::array())) {
      const bool step = draw.at("where").get<std::string>().rfind("scheduling_", 0) == 0;
      (step ? steps : before).push_back(draw.at("tensor"));
    }
  }
};

// Without any signal at the first step (zero terminal SNR), rounding grows by the thousandfold: there, twenty
// times what the reference differs from itself between float32 and float64.
double ToleranceOf(const nlohmann::json& item) {
  const nlohmann::json& scheduler = item.at("scheduler");
  if (scheduler.value("rescale_betas_zero_snr", nlohmann::json()) != true || !item.contains("floor"))
    return kSampledTolerance;
  return ToleranceByFloors(item, kSampledTolerance);
}

std::unique_ptr<const Sampler> TrajectorySampler(const nlohmann::json& item) {
  SamplerConfig config = SamplerConfig::From(Config(item.at("scheduler"), "the case's scheduler"));
  config.eta = item.value("eta", 0.0);
  return MakeSampler(DefaultSamplerName(config), config, item.at("num_inference_steps").get<int64_t>());
}

class Replay {
 public:
  Replay(const TrajectoryCase& c, Report::Case& result)
      : item_(c.item),
        record_(c.record),
        pipeline_(c.pipeline),
        loras_(c.loras),
        result_(result),
        tolerance_(ToleranceOf(c.item)),
        draws_(c.item),
        sampler_(TrajectorySampler(c.item)),
        text_(dynamic_cast<const TextToImagePipeline*>(&c.pipeline)),
        from_image_(record_.Has("in.image")),
        rows_((record_.Has("in.latents") ? record_.Get("in.latents") : FirstTensor()).size(0)),
        order_(item_.value("row_order", "").starts_with("prompt, negative") ? RowOrder::kReversed
                                                                            : RowOrder::kAsOurs) {}

  void Run() {
    if (text_ != nullptr) CheckTextIds(*text_, item_, record_, "", result_);
    if (item_.contains("seed_text")) CheckSeed();
    if (record_.Has("sigmas")) CheckLevels();
    const at::Tensor first = FirstTensor();
    for (int64_t row = 0; row < rows_; ++row) CheckRow(row, first[row * first.size(0) / rows_]);
  }

 private:
  // The source pictures, of which one may serve all, or the noise that the pictures begin with.
  at::Tensor FirstTensor() const {
    for (const char* name : {"in.image", "in.latents", "init_noise"}) {
      if (record_.Has(name)) return record_.Get(name);
    }
    if (draws_.before.empty()) throw Error("the record does not say what the pictures begin with");
    return record_.Get(draws_.before.front());
  }

  // A seed gives the noise that was recorded, draw by draw.
  void CheckSeed() const {
    SeededNoise noise(std::stoull(item_.at("seed_text").get<std::string>()));
    for (const auto& draw : item_.value("noise_draws", nlohmann::json::array())) {
      const std::string tensor = draw.at("tensor");
      const at::Tensor expected = record_.Get(tensor);
      result_.Compare(tensor, noise.Draw(expected.sizes()), expected, kNoiseTolerance);
    }
  }

  void CheckLevels() const {
    const at::Tensor sigmas = record_.Get("sigmas");
    for (int64_t step = 0; step < sampler_->steps(); ++step) {
      const NoiseLevel level = sampler_->LevelOf(step);
      result_.Compare("sigma " + std::to_string(step), at::tensor(level.sigma / level.alpha),
                      at::tensor(sigmas[step].item<double>()), kNoiseTolerance);
    }
  }

  PictureRequest RequestOf(int64_t row) const {
    PictureRequest request;
    request.loras = loras_;
    if (text_ != nullptr)
      ReadTextRequest(item_, row / item_.value("num_images_per_prompt", int64_t{1}), request);
    if (item_.contains("class_labels")) {
      request.label = item_.at("class_labels").at(static_cast<size_t>(row)).get<int64_t>();
      request.guidance = item_.at("guidance_scale");
    }
    return request;
  }

  Conditioning Condition(const PictureRequest& request, int64_t row) const {
    const std::vector<int64_t> shape = record_.Get("latents_per_step")[0][row].sizes().vec();
    Conditioning conditioning = pipeline_.Condition(request, shape);
    if (text_ == nullptr) return conditioning;
    CheckTold(record_, conditioning, row, result_);
    if (record_.Has("prompt_embeds")) {
      result_.Compare("prompt embedding", conditioning.rows.back()[Condition::kText],
                      record_.Get("prompt_embeds")[row], tolerance_);
    }
    if (record_.Has("negative_prompt_embeds")) {
      if (conditioning.rows.size() < 2) throw Error("the negative prompt has no row");
      result_.Compare("negative prompt embedding", conditioning.rows.front()[Condition::kText],
                      record_.Get("negative_prompt_embeds")[row], tolerance_);
    }
    return conditioning;
  }

  Source SourceOf(int64_t row, const at::Tensor& picture) const {
    Source source;
    source.controls = ControlPicturesOf(item_, record_, row, rows_, pipeline_.device());
    source.prompts = PromptPicturesOf(item_, record_, pipeline_.device());
    if (!from_image_) return source;
    const auto in = [&](const char* name) { return record_.Get(name)[row].to(pipeline_.device()); };
    source.picture = picture.to(pipeline_.device());
    source.strength = item_.value("strength", 1.0);
    if (record_.Has("in.depth_map")) source.depth = in("in.depth_map").unsqueeze(0);
    if (record_.Has("in.mask")) source.mask = in("in.mask");
    return source;
  }

  void CheckRow(int64_t row, const at::Tensor& first) const {
    const PictureRequest request = RequestOf(row);
    Conditioning conditioning = Condition(request, row);
    const Source source = SourceOf(row, first);
    std::vector<at::Tensor> before;
    if (!from_image_) before.push_back(first);
    for (const std::string& name : draws_.before) {
      // A record may hold the starting noise by two names.
      const at::Tensor draw = record_.Get(name)[row];
      if (from_image_) before.push_back(draw);
    }
    // Given beside a picture, it comes where it would have been drawn: after what is drawn of the picture.
    if (from_image_ && record_.Has("in.latents"))
      before.insert(before.begin() + (before.empty() ? 0 : 1), record_.Get("in.latents")[row]);
    OrderedNoise beginning(before);
    const at::Tensor latents = record_.Get("latents_per_step"),
                     outputs = record_.Get("model_outputs_after_cfg");
    const Start begun = pipeline_.Begin(source, request, latents[0][row].sizes(), beginning);
    beginning.ExpectAllUsed();
    pipeline_.Tell(source, begun, request, conditioning);
    CheckControls(record_, conditioning, row, rows_, result_);
    if (text_ != nullptr && !source.prompts.empty())
      CheckPromptPictures(*text_, source.prompts, record_, row, rows_, result_);

    SampleState state = Beginning(begun, source.strength, *sampler_);
    CheckFirstInput(state.x, row);
    auto noise = std::make_unique<RecordedNoise>();
    for (size_t k = 0; k < draws_.steps.size(); ++k) {
      noise->Record(static_cast<int64_t>(k), record_.Get(draws_.steps[k])[row]);
    }
    RecordedNoise& recorded = *noise;
    state.noise = std::move(noise);

    const int64_t calls = outputs.size(0), first_step = state.step;
    int64_t call = 0, step_began = -1, in_step = 0;
    GuidanceMemory memory;
    RunToEnd(
        *sampler_, state,
        [&](const at::Tensor& input, double timestep) {
          if (call == calls)
            throw Error("the reference takes " + std::to_string(calls) + " evaluations, we take more");
          CheckAsked(call, row, input, timestep, step_began == state.step ? at::Tensor() : state.x);
          Conditioning now = conditioning;
          in_step = step_began == state.step ? in_step + 1 : 0;
          now.rows = conditioning.RowsAt(
              CallNumber::Of(*sampler_, first_step, sampler_->steps(), state.step, in_step));
          if (call == 0) CheckFirstCall(record_, pipeline_, now, row, input, timestep, result_, "", order_);
          step_began = state.step;
          const std::vector<at::Tensor> answers = EvaluateRows(pipeline_.denoiser(), now, input, timestep);
          CheckRows(call, row, now, answers, input, timestep);
          const at::Tensor output = Guide(now, answers, timestep, memory);
          recorded.set_call(call);
          // A variance the sampler has no use for is not in the record.
          result_.Compare("output " + std::to_string(call), output.slice(0, 0, outputs.size(2)),
                          outputs[call][row], tolerance_);
          ++call;
          return output;
        },
        [&] {
          // Recorded before the known part was put back.
          result_.Compare("latent " + std::to_string(call), state.x, latents[call - 1][row], tolerance_);
          KeepKnown(begun, *sampler_, state);
        });
    if (call != calls) {
      throw Error("the reference takes " + std::to_string(calls) + " evaluations, we take " +
                  std::to_string(call));
    }
    recorded.ExpectAllUsed(calls, IdleDrawsOf(item_.at("scheduler").at("_class_name")));
    result_.Compare("image", pipeline_.Decode(state.x), record_.Get("image")[row], tolerance_);
  }

  // What was recorded of each row at this call: what is added for it, and the network's answer.
  void CheckRows(int64_t call, int64_t row, const Conditioning& now, const std::vector<at::Tensor>& answers,
                 const at::Tensor& input, double timestep) const {
    constexpr char kAnswers[] = "unet_rows", kAdded[] = "unet_mid_residuals";
    const auto count = static_cast<int64_t>(answers.size());
    for (int64_t i = 0; i < count; ++i) {
      const int64_t place = (order_ == RowOrder::kReversed ? count - 1 - i : i) * rows_ + row;
      const auto one = static_cast<size_t>(i);
      const std::string what = std::to_string(call) + ", row " + std::to_string(i);
      if (record_.Has(kAnswers) && call < record_.Get(kAnswers).size(0))
        result_.Compare("answer " + what, answers[one], record_.Get(kAnswers)[call][place], tolerance_);
      if (record_.Has(kAdded)) {
        CheckAdded("addition to the middle " + what, AdditionsFor(now.rows[one], input, timestep).middle,
                   record_.Get(kAdded)[call][place], result_);
      }
    }
  }

  // Where the first step begins, and what the network is shown of it.
  void CheckFirstInput(const at::Tensor& x, int64_t row) const {
    if (record_.Has("first_step_input"))
      result_.Compare("first step input", x, record_.Get("first_step_input")[row], tolerance_);
  }

  // `x`: where the trajectory was before this step; undefined within one.
  void CheckAsked(int64_t call, int64_t row, const at::Tensor& input, double timestep,
                  const at::Tensor& x) const {
    const std::string number = std::to_string(call);
    // Where a picture is gone on from, all timesteps are recorded, those passed over first.
    const at::Tensor timesteps = record_.Get("timesteps").to(at::kDouble);
    const int64_t passed_over = timesteps.size(0) - record_.Get("model_outputs_after_cfg").size(0);
    result_.Compare("timestep " + number, at::tensor(timestep + 1000),
                    at::tensor(timesteps[passed_over + call].item<double>() + 1000), 1e-6);
    if (!record_.Has("step_inputs")) return;
    const at::Tensor expected = record_.Get("step_inputs")[call][row].to(input.device());
    // Within a step only the network's input is seen, which some samplers scale: what the scale cannot
    // change.
    const at::Tensor ours = x.defined() ? x : input * ((input * expected).sum() / (input * input).sum());
    result_.Compare("step input " + number, ours, expected, tolerance_);
  }

  const nlohmann::json& item_;
  const Record& record_;
  const Pipeline& pipeline_;
  const std::vector<LoraUse>& loras_;
  Report::Case& result_;
  const double tolerance_;
  const Draws draws_;
  const std::unique_ptr<const Sampler> sampler_;
  const TextToImagePipeline* const text_;  // null: the model has no prompt
  const bool from_image_;
  const int64_t rows_;  // pictures
  const RowOrder order_;
};

}  // namespace

Idle IdleDrawsOf(const std::string& scheduler_class) {
  static const std::map<std::string, Idle> kIdle = {
      // Draw in every call, whether they churn in it or not.
      {"EulerDiscreteScheduler", Idle::kAnyCalls},
      {"EDMEulerScheduler", Idle::kAnyCalls},
      // Draws in both calls of a step, and makes use of the first.
      {"FlowMatchHeunDiscreteScheduler", Idle::kAnyCalls},
      // Draws in both calls of a step, and makes use of it in one.
      {"KDPM2AncestralDiscreteScheduler", Idle::kAnyCalls},
      // Draw for a last step that ends without noise.
      {"EulerAncestralDiscreteScheduler", Idle::kLast},
      {"CMStochasticIterativeScheduler", Idle::kLast},
      {"FlowMatchEulerDiscreteScheduler", Idle::kLast},
      {"FlowMatchLCMScheduler", Idle::kLast},
      {"ScoreSdeVeScheduler", Idle::kLast},
      {"ScoreSdeVpScheduler", Idle::kLast},
  };
  const auto found = kIdle.find(scheduler_class);
  return found == kIdle.end() ? Idle::kNone : found->second;
}

void CheckTrajectory(const TrajectoryCase& c, Report::Case& result) {
  Replay(c, result).Run();
}

}  // namespace mind::diffusion
