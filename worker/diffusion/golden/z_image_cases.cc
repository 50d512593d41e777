#include "worker/diffusion/golden/z_image_cases.h"

#include "worker/diffusion/golden/extended_model.h"
#include "worker/diffusion/golden/flow_replay.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/pipelines/z_image.h"

namespace mind::diffusion {
namespace {

constexpr double kZTrainSteps = 1000;

// The pipeline as a user would have told it to do what the case says.
std::unique_ptr<const Pipeline> ZPipelineOf(const nlohmann::json& item, const GoldenOptions& options) {
  ExtendedModel model(options.directory / item.at("model").get<std::string>());
  nlohmann::json settings = {{"max_sequence_length", item.at("max_sequence_length")}};
  if (item.contains("cfg_normalization")) settings["cfg_normalization"] = item.at("cfg_normalization");
  model.Write("mind.json", settings);
  return LoadPipeline(model.path(), options.parameters());
}

// Of a case, what our request says otherwise: a scale that is the reference's and one more, and guidance that
// ends at a time as a share of the steps.
void AskZAsOurs(const nlohmann::json& item, const Record& record, PictureRequest& request) {
  request.guidance = item.at("guidance_scale").get<double>() + 1;
  if (!item.contains("cfg_truncation")) return;
  const at::Tensor come = (kZTrainSteps - record.Get("timesteps")) / kZTrainSteps;
  const auto guided = (come <= item.at("cfg_truncation").get<double>()).sum().item<int64_t>();
  request.guided_steps.end = static_cast<double>(guided) / static_cast<double>(come.size(0));
}

// A row of the recorded call: the prompts', then those that guidance leads away from.
void CheckZRow(const Record& record, const FirstCall& call, const ZImageText& text, size_t own,
               const std::string& prompt, Report::Case& result) {
  const int64_t pictures = record.Get("image").size(0);
  const bool negative = own + 1 < call.conditioning.rows.size();
  const std::string number = std::to_string(call.row + (negative ? pictures : 0));
  result.Compare("caption " + number, call.conditioning.rows[own][Condition::kText],
                 record.Get("transformer.0.arg2." + number), kSampledTolerance);
  result.Compare("answer " + number, -call.answers[own], record.Get("transformer.0.out." + number).squeeze(1),
                 kSampledTolerance);
  const at::Tensor time = record.Get("transformer.0.arg1")[std::stoll(number)];
  result.Compare("time " + number, at::tensor(2 - call.timestep / kZTrainSteps),
                 at::tensor(1 + time.item<double>()), kSampledTolerance);
  const std::string encoder = negative ? "text_encoder.1." : "text_encoder.0.";
  const at::Tensor all = record.Get(encoder + "input_ids"), masks = record.Get(encoder + "attention_mask");
  const int64_t prompts = all.size(0), of = call.row * prompts / pictures;
  const at::Tensor ids = all[of].masked_select(masks[of] != 0);
  result.ExpectEqual("ids " + number, text.Ids(prompt),
                     {ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + ids.numel()});
}

}  // namespace

bool IsZImage(const std::string& pipeline) {
  return pipeline.starts_with("ZImage");
}

void CheckZImage(const nlohmann::json& item, const Record& record, const GoldenOptions& options,
                 Report::Case& result) {
  const std::unique_ptr<const Pipeline> pipeline = ZPipelineOf(item, options);
  const ZImageText& text = dynamic_cast<const ZImagePipeline&>(*pipeline).text();
  FlowRun run{.item = item, .record = record, .pipeline = *pipeline};
  run.request = [&](PictureRequest& request) { AskZAsOurs(item, record, request); };
  if (record.Has("in.image")) {
    run.source = [&](int64_t row) {
      Source source;
      source.picture = record.Get("in.image")[row].to(options.device);
      source.strength = item.at("strength");
      return source;
    };
  }
  run.first_call = [&](const FirstCall& call) {
    const size_t own = call.conditioning.rows.size() - 1;
    CheckZRow(record, call, text, own, call.request.prompt, result);
    if (own > 0) CheckZRow(record, call, text, 0, call.request.negative_prompt.value_or(""), result);
  };
  CheckFlowRun(run, result);
}

}  // namespace mind::diffusion
