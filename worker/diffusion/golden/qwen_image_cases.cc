#include "worker/diffusion/golden/qwen_image_cases.h"

#include <algorithm>
#include <set>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/recorded_noise.h"
#include "worker/diffusion/golden/text_request.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/latent_tokens.h"
#include "worker/diffusion/pipelines/qwen_image.h"
#include "worker/diffusion/pipelines/qwen_image_edit.h"
#include "worker/diffusion/samplers/flow_shift.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"
#include "worker/diffusion/text/chat_prompt.h"

namespace mind::diffusion {
namespace {

constexpr double kLevelTolerance = 1e-5;  // of noise levels and the timesteps that they are told as
constexpr char kQwenEditing[] = "QwenImageEditPlusPipeline";
const std::set<std::string> kQwenImagePipelines = {"QwenImagePipeline", "QwenImageImg2ImgPipeline",
                                                   kQwenEditing};

// One of a list, or the only one; none where the case has none.
std::optional<std::string> QwenTextOf(const nlohmann::json& item, const char* key, int64_t number) {
  if (!item.contains(key) || item.at(key).is_null()) return std::nullopt;
  const nlohmann::json& value = item.at(key);
  if (!value.is_array()) return value.get<std::string>();
  return value.at(static_cast<size_t>(number) % value.size()).get<std::string>();
}

class QwenImageReplay {
 public:
  QwenImageReplay(const nlohmann::json& item, const Record& record, const QwenImagePipeline& pipeline,
                  Report::Case& result)
      : item_(item),
        record_(record),
        pipeline_(pipeline),
        editing_(dynamic_cast<const QwenImageEditPipeline*>(&pipeline)),
        result_(result),
        rows_(record.Get("image").size(0)),
        patch_(pipeline.transformer_config().patch_size),
        shape_(pipeline.LatentShape(item.at("width"), item.at("height"))),
        tolerance_(ToleranceByFloors(item, kSampledTolerance)) {
    const SamplerConfig config = OfPicture(pipeline.sampler_config(), shape_);
    sampler_ = MakeSampler(DefaultSamplerName(config), config, item.at("num_inference_steps"));
  }

  void Run() const {
    for (int64_t row = 0; row < rows_; ++row) {
      PictureRequest request;
      const int64_t number = row / item_.value("num_images_per_prompt", int64_t{1});
      request.prompt = QwenTextOf(item_, "prompt", number).value_or("");
      request.negative_prompt = QwenTextOf(item_, "negative_prompt", number);
      // Without a negative prompt the reference does not guide.
      request.guidance = request.negative_prompt ? item_.value("true_cfg_scale", 4.0) : 1;
      CheckPrompt(0, request.prompt, number);
      if (request.guidance > 1) CheckPrompt(1, *request.negative_prompt, number);
      CheckRow(request, row);
    }
  }

 private:
  // Of a tensor with a row for each picture, or for each prompt or what all of
  // them share.
  at::Tensor Of(const std::string& name, int64_t row) const {
    const at::Tensor tensor = record_.Get(name);
    return tensor[row * tensor.size(0) / rows_];
  }

  // Latents of the record's tokens [N, C·p·p].
  at::Tensor Latents(const at::Tensor& tokens) const {
    return LatentsOfTokens(tokens.unsqueeze(0), shape_[1] / patch_, shape_[2] / patch_, patch_,
                           TokenOrder::kByChannel)
        .squeeze(0);
  }

  // What the encoder was given in the call of this number; what is padded behind its ids is not ours.
  void CheckPrompt(int call, const std::string& prompt, int64_t number) const {
    const std::string prefix = "text_encoder." + std::to_string(call) + ".";
    const at::Tensor ids = record_.Get(prefix + "input_ids"), mask = record_.Get(prefix + "attention_mask");
    const int64_t row = std::min(number, ids.size(0) - 1);
    const at::Tensor own = ids[row].masked_select(mask[row] == 1).contiguous();
    result_.ExpectEqual("ids of call " + std::to_string(call), IdsOf(prompt),
                        {own.data_ptr<int64_t>(), own.data_ptr<int64_t>() + own.numel()});
    if (editing_ != nullptr) CheckPictures(prefix);
  }

  std::vector<int64_t> IdsOf(const std::string& prompt) const {
    if (editing_ == nullptr) return pipeline_.text().tokenizer().Encode(DescribingTurn(prompt).text);
    const QwenEditText& text = editing_->edit_text();
    std::vector<SeenPicture> pictures;
    for (const at::Tensor& picture : References()) pictures.push_back(text.See(editing_->Shown(picture)));
    return text.Ids(prompt, pictures);
  }

  // The pictures that are changed.
  std::vector<at::Tensor> References() const {
    Source source;
    ReadReferences(record_, source);
    return source.References();
  }

  // As the encoder sees them.
  void CheckPictures(const std::string& prefix) const {
    std::vector<at::Tensor> patches;
    std::vector<int64_t> sizes;
    for (const at::Tensor& picture : References()) {
      const PatchedPicture patched = editing_->edit_text().Patched(editing_->Shown(picture));
      patches.push_back(patched.patches);
      sizes.insert(sizes.end(), {1, patched.rows, patched.columns});
    }
    if (record_.Has(prefix + "image_grid_thw")) {
      const at::Tensor grid = record_.Get(prefix + "image_grid_thw").contiguous();
      result_.ExpectEqual("patches", sizes,
                          {grid.data_ptr<int64_t>(), grid.data_ptr<int64_t>() + grid.numel()});
    }
    if (record_.Has(prefix + "pixel_values"))
      result_.Compare("patches", at::cat(patches), record_.Get(prefix + "pixel_values"), tolerance_);
  }

  // What the rows are told; the request's own is the reference's first call,
  // the other its second.
  void CheckFirstCalls(const Conditioning& conditioning, const at::Tensor& x, double timestep,
                       int64_t row) const {
    for (size_t call = 0; call < conditioning.rows.size(); ++call) {
      const std::string prefix = "transformer." + std::to_string(call) + ".";
      const Told& told = conditioning.rows[conditioning.rows.size() - 1 - call];
      at::Tensor text = Of(prefix + "encoder_hidden_states", row);
      if (const std::string mask = prefix + "encoder_hidden_states_mask"; record_.Has(mask))
        text = text.slice(0, 0, Of(mask, row).sum().item<int64_t>());
      result_.Compare("text of call " + std::to_string(call), told[Condition::kText], text, tolerance_);
      const at::Tensor seen = Of(prefix + "hidden_states", row);
      const int64_t own = (shape_[1] / patch_) * (shape_[2] / patch_);
      result_.Compare("x of call " + std::to_string(call), x, Latents(seen.slice(0, 0, own)), tolerance_);
      if (seen.size(0) > own)
        result_.Compare("references of call " + std::to_string(call), told[Condition::kReference],
                        seen.slice(0, own), tolerance_);
      result_.Compare("time of call " + std::to_string(call), at::tensor(timestep / 1000),
                      Of(prefix + "timestep", row).reshape({1}), kLevelTolerance);
      if (!record_.Has(prefix + "out")) continue;
      const Conditioning alone{.rows = {told}};
      result_.Compare("output of call " + std::to_string(call),
                      EvaluateAlone(pipeline_.denoiser(), alone, x, timestep),
                      Latents(Of(prefix + "out", row).slice(0, 0, own)), tolerance_);
    }
  }

  Source SourceOf(int64_t row) const {
    Source source;
    if (editing_ != nullptr) {
      ReadReferences(record_, source);
      source.picture = ToFloats(source.original, pipeline_.device());
    }
    if (!record_.Has("in.image")) return source;
    source.picture = Of("in.image", row).to(pipeline_.device());
    source.strength = item_.at("strength");
    return source;
  }

  OrderedNoise DrawsOf(int64_t row) const {
    std::vector<at::Tensor> draws;
    for (const auto& draw : item_.at("noise_draws"))
      draws.push_back(Of(draw.at("tensor"), row).reshape(shape_));
    return OrderedNoise(draws);
  }

  void CheckRow(const PictureRequest& request, int64_t row) const {
    const at::Tensor latents = record_.Get("latents_per_step"),
                     outputs = record_.Get("model_outputs_after_cfg"), sigmas = record_.Get("sigmas"),
                     timesteps = record_.Get("timesteps").to(at::kDouble);
    Conditioning conditioning = pipeline_.Condition(request, shape_);
    if (item_.contains("max_sequence_length")) {
      const int64_t most = item_.at("max_sequence_length");
      for (Told& told : conditioning.rows)
        told.Set(Condition::kText, told[Condition::kText].slice(0, 0, most));
    }
    const Source source = SourceOf(row);
    OrderedNoise noise = DrawsOf(row);
    const Start start = pipeline_.Begin(source, request, shape_, noise);
    noise.ExpectAllUsed();
    pipeline_.Tell(source, start, request, conditioning);

    SampleState state = Beginning(start, source.strength, *sampler_);
    result_.Compare("first step input", state.x, Latents(Of("step_input_0", row)), tolerance_);
    const int64_t calls = outputs.size(0), passed_over = timesteps.size(0) - calls;
    int64_t call = 0;
    RunToEnd(
        *sampler_, state,
        [&](const at::Tensor& x, double timestep) {
          if (call == calls) throw Error("the reference takes fewer evaluations: " + std::to_string(calls));
          const double expected = timesteps[passed_over + call].item<double>();
          result_.Compare("timestep", at::tensor(timestep), at::tensor(expected), kLevelTolerance);
          result_.Compare("sigma", at::tensor(timestep / 1000), sigmas[passed_over + call].reshape({1}),
                          kLevelTolerance);
          if (call == 0) CheckFirstCalls(conditioning, x, timestep, row);
          const at::Tensor output = EvaluateAlone(pipeline_.denoiser(), conditioning, x, timestep);
          result_.Compare("output " + std::to_string(call), output, Latents(outputs[call][row]), tolerance_);
          ++call;
          return output;
        },
        [&] {
          result_.Compare("latent " + std::to_string(call), state.x, Latents(latents[call - 1][row]),
                          tolerance_);
        });
    result_.ExpectEqual("evaluations", {call}, {calls});
    result_.Compare("image", pipeline_.Decode(state.x), record_.Get("image")[row], tolerance_);
  }

  const nlohmann::json& item_;
  const Record& record_;
  const QwenImagePipeline& pipeline_;
  const QwenImageEditPipeline* const editing_;  // or null
  Report::Case& result_;
  const int64_t rows_, patch_;
  const std::vector<int64_t> shape_;
  const double tolerance_;
  std::unique_ptr<const Sampler> sampler_;
};

}  // namespace

bool IsQwenImage(const std::string& pipeline) {
  return kQwenImagePipelines.count(pipeline) != 0;
}

void CheckQwenImage(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                    Report::Case& result) {
  ExtendedModel model(options.directory / item.at("model").get<std::string>());
  if (item.at("pipeline") == kQwenEditing) {
    model.ChangeIndex({{"_class_name", kQwenEditing}});
    model.Write("mind.json",
                {{"condition_area", item.at("condition_area")}, {"reference_area", item.at("vae_area")}});
  }
  const std::unique_ptr<const Pipeline> pipeline = LoadPipeline(model.path(), options.parameters());
  QwenImageReplay(item, record, dynamic_cast<const QwenImagePipeline&>(*pipeline), result).Run();
}

}  // namespace mind::diffusion
