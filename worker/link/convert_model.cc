// What a worker says of its models.
#include <algorithm>
#include <string>
#include <vector>

#include "worker/link/convert.h"
#include "worker/link/sampler_messages.h"
#include "worker/link/vae_hashes.h"

namespace mind {
namespace {

constexpr uint32_t kMostPicturePrompts = 4;
constexpr uint32_t kMostControls = 4;  // a picture: each takes half the time of the model's own network

std::vector<v1::Task> TasksOf(const diffusion::ModelInfo& info) {
  if (info.enlargement > 1) return {v1::TASK_UPSCALE};
  if (info.needs_mask) return {v1::TASK_INPAINT};
  if (info.needs_depth) return {v1::TASK_DEPTH_TO_IMAGE};
  if (info.edits && info.makes_too) return {v1::TASK_TEXT_TO_IMAGE, v1::TASK_EDIT};
  if (info.edits) return {v1::TASK_EDIT};
  if (info.varies) return {v1::TASK_VARIATION};
  std::vector<v1::Task> tasks = {info.takes_prompt      ? v1::TASK_TEXT_TO_IMAGE
                                 : info.class_count > 0 ? v1::TASK_CLASS_TO_IMAGE
                                                        : v1::TASK_UNCONDITIONAL};
  if (info.takes_source) {
    tasks.push_back(v1::TASK_IMAGE_TO_IMAGE);
    tasks.push_back(v1::TASK_INPAINT);
  }
  return tasks;
}

void AddInput(v1::InputRole role, bool needed, v1::Model& model) {
  v1::ModelInput& input = *model.add_inputs();
  input.set_role(role);
  input.set_needed(needed);
  input.set_most(1);
}

bool TakesMask(const diffusion::ModelInfo& info) {
  return info.needs_mask || (info.takes_source && info.enlargement == 1 && !info.edits && !info.varies);
}

// What a request may bring along.
void AddInputs(const diffusion::ModelInfo& info, v1::Model& model) {
  const bool enlarges = info.enlargement > 1;
  const bool needs_source =
      enlarges || (info.edits && !info.makes_too) || info.varies || info.needs_mask || info.needs_depth;
  if (info.takes_source || needs_source) AddInput(v1::INPUT_ROLE_SOURCE, needs_source, model);
  if (TakesMask(info)) AddInput(v1::INPUT_ROLE_MASK, info.needs_mask, model);
  if (info.needs_depth) AddInput(v1::INPUT_ROLE_DEPTH, true, model);
  if (info.most_references > 0) {
    AddInput(v1::INPUT_ROLE_REFERENCE, needs_source, model);
    v1::ModelInput& references = *model.mutable_inputs(model.inputs_size() - 1);
    references.set_most(static_cast<uint32_t>(info.most_references));
    references.set_megapixels(1e-6 * static_cast<double>(info.reference_pixels));
  }
  if (!info.picture_adapters.empty()) {
    AddInput(v1::INPUT_ROLE_PROMPT, false, model);
    v1::ModelInput& prompts = *model.mutable_inputs(model.inputs_size() - 1);
    prompts.set_most(kMostPicturePrompts);
    for (const std::string& adapter : info.picture_adapters) prompts.add_networks(adapter);
  }
  if (info.controls.empty()) return;
  AddInput(v1::INPUT_ROLE_CONTROL, false, model);
  v1::ModelInput& controls = *model.mutable_inputs(model.inputs_size() - 1);
  controls.set_most(kMostControls);
  for (const std::string& network : info.controls) controls.add_networks(network);
  for (const int64_t kinds : info.control_kinds) controls.add_network_kinds(static_cast<uint32_t>(kinds));
}

// Those that begin with a picture and see nothing else of it.
bool TakesSourceFit(const diffusion::ModelInfo& info) {
  return (info.takes_source || info.needs_mask || info.edits) && !info.needs_depth && !info.varies;
}

v1::ModelStage StageOf(const diffusion::LaterStageInfo& info) {
  v1::ModelStage stage;
  stage.set_name(info.name);
  stage.set_fixed_guidance(info.fixed_guidance);
  stage.set_default_steps(static_cast<uint32_t>(info.default_steps));
  stage.set_max_steps(static_cast<uint32_t>(info.max_steps));
  stage.set_default_guidance(info.default_guidance);
  stage.set_max_noise_level(static_cast<uint32_t>(info.max_noise_level));
  stage.set_default_noise_level(static_cast<uint32_t>(info.default_noise_level));
  return stage;
}

}  // namespace

v1::Model ToProto(const diffusion::ModelInfo& info) {
  v1::Model model;
  model.set_name(info.name);
  model.set_pipeline(info.pipeline);
  model.set_revision(info.revision);
  model.set_takes_prompt(info.takes_prompt);
  model.set_takes_negative_prompt(info.takes_negative_prompt);
  model.set_max_clip_skip(static_cast<uint32_t>(info.max_clip_skip));
  model.set_takes_source_image(info.takes_source);
  model.set_takes_source_fit(TakesSourceFit(info));
  model.set_takes_mask_fill(TakesSourceFit(info) && TakesMask(info));
  model.set_takes_hires(info.takes_hires);
  model.set_takes_tiling(info.takes_tiling);
  model.set_needs_mask_image(info.needs_mask);
  model.set_needs_depth_image(info.needs_depth);
  model.set_takes_second_prompt(info.takes_second_prompt);
  model.set_takes_third_prompt(info.takes_third_prompt);
  model.set_takes_frame_sizes(info.takes_sizes);
  model.set_takes_aesthetic_score(info.takes_aesthetic_score);
  for (const std::string& word : info.learnt_words) model.add_learnt_words(word);
  model.set_class_count(static_cast<uint32_t>(info.class_count));
  for (const std::string& name : info.class_names) model.add_class_names(name);
  model.set_enlargement(static_cast<uint32_t>(info.enlargement));
  model.set_max_noise_level(static_cast<uint32_t>(info.max_noise_level));
  if (info.max_noise_level > 0)
    model.set_default_noise_level(
        static_cast<uint32_t>(std::min(info.default_noise_level, info.max_noise_level)));
  model.set_takes_picture_guidance(info.takes_picture_guidance);
  model.set_takes_prior_guidance(info.takes_prior_guidance);
  model.set_takes_perturbed_guidance(info.takes_perturbed);
  if (info.takes_perturbed) {
    v1::PerturbedInterval& usual = *model.mutable_perturbed_interval();
    if (info.perturbed_after >= 0) usual.set_begin(info.perturbed_after);
    usual.set_end(info.perturbed_before);
  }
  if (!info.takes_guidance)
    model.set_second_row(info.negative_prompt_guides ? v1::SECOND_ROW_NEGATIVE_PROMPT : v1::SECOND_ROW_NEVER);
  model.set_takes_variation(true);  // the engine mixes noise, whatever the model is
  model.set_takes_guidance_interval(info.takes_guidance);
  model.set_takes_projected_guidance(info.takes_guidance);
  if (info.scorer.kind != diffusion::ScorerKind::kNone) {
    const bool text = info.scorer.kind == diffusion::ScorerKind::kText;
    model.mutable_scorer()->set_kind(text ? v1::SCORER_KIND_TEXT : v1::SCORER_KIND_CLASS);
    model.mutable_scorer()->set_class_count(static_cast<uint32_t>(info.scorer.class_count));
  }
  model.set_later_steps(static_cast<uint32_t>(info.later_steps));
  for (const diffusion::LaterStageInfo& stage : info.later_stages) *model.add_later_stages() = StageOf(stage);
  for (const std::string& lora : info.loras) model.add_loras(lora);
  for (const diffusion::VaeInfo& vae : info.vaes) {
    v1::ModelVae& beside = *model.add_vaes();
    beside.set_name(vae.name);
    beside.set_unfit(vae.unfit);
    if (vae.unfit.empty()) beside.set_hash(VaeHashOf(vae.path));
  }
  for (const std::string& stage : info.stages) model.add_stages(stage);
  for (const v1::Task task : TasksOf(info)) model.add_tasks(task);
  AddInputs(info, model);
  for (const std::string& language : info.languages) model.add_languages(language);
  model.set_size_multiple(static_cast<uint32_t>(info.size_multiple));
  model.set_default_width(static_cast<uint32_t>(info.default_width));
  model.set_default_height(static_cast<uint32_t>(info.default_height));
  model.set_max_width(static_cast<uint32_t>(info.max_width));
  model.set_max_height(static_cast<uint32_t>(info.max_height));
  model.set_default_steps(static_cast<uint32_t>(info.default_steps));
  model.set_max_steps(static_cast<uint32_t>(info.train_steps));
  model.set_default_guidance(info.default_guidance);
  model.set_default_sampler(info.default_sampler);
  for (const diffusion::SamplerInfo& sampler : info.samplers) *model.add_samplers() = ToProto(sampler);
  return model;
}

}  // namespace mind
