#include "worker/diffusion/pipelines/cascade.h"

#include <algorithm>
#include <numeric>

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

// What each stage offers by itself.
std::vector<ModelInfo> DescribeStages(const ModelDirectory& directory) {
  const bool hands_latents = directory.HandOver() < 1;
  std::vector<ModelInfo> stages;
  for (const ModelDirectory& part : directory.Stages()) {
    const std::string& path = part.path();
    stages.push_back(DescribeModel(part));
    const ModelInfo& stage = stages.back();
    if (stage.later_steps > 0) throw UnsupportedError(path + ": a cascade within a cascade");
    const bool first = stages.size() == 1;
    if (hands_latents) {
      if (stage.enlargement > 1 || stage.needs_mask || stage.needs_depth || stage.edits ||
          !stage.takes_prompt)
        throw UnsupportedError(path + ": latents are handed over between models of text to image only");
      continue;
    }
    if (first != (stage.enlargement == 1)) {
      throw UnsupportedError(path + (first ? ": an upscaler cannot be a cascade's first stage"
                                           : ": a cascade's later stages are upscalers, and this is none"));
    }
  }
  return stages;
}

}  // namespace

ModelInfo CascadePipeline::Describe(const ModelDirectory& directory) {
  const std::vector<ModelInfo> stages = DescribeStages(directory);
  ModelInfo info = stages.front();
  info.name = directory.name();
  info.pipeline = directory.pipeline_class();
  info.takes_hires = false;
  for (const ModelInfo& stage : stages) info.stages.push_back(stage.name);
  for (auto stage = stages.begin() + 1; stage != stages.end(); ++stage) {
    info.takes_tiling = info.takes_tiling && stage->takes_tiling;
    // One takes the place of each stage's.
    std::erase_if(info.vaes, [stage](const VaeInfo& vae) {
      return std::find(stage->vaes.begin(), stage->vaes.end(), vae) == stage->vaes.end();
    });
    if (directory.HandOver() == 1) {
      info.later_steps += stage->default_steps;
      info.later_stages.push_back(
          {.name = stage->name,
           .default_steps = stage->default_steps,
           .max_steps = stage->train_steps,
           .default_guidance = stage->default_guidance,
           .default_noise_level = std::min(stage->default_noise_level, stage->max_noise_level),
           .max_noise_level = stage->max_noise_level});
    }
    info.size_multiple = std::lcm(info.size_multiple * stage->enlargement, stage->size_multiple);
    info.default_width *= stage->enlargement;
    info.default_height *= stage->enlargement;
    info.max_width = std::min(info.max_width * stage->enlargement, stage->max_width);
    info.max_height = std::min(info.max_height * stage->enlargement, stage->max_height);
  }
  if (info.default_width > info.max_width || info.default_height > info.max_height) {
    throw UnsupportedError(directory.path() + ": its stages make " + std::to_string(info.default_width) +
                           "x" + std::to_string(info.default_height) + ", more than the last of them serve");
  }
  return info;
}

std::unique_ptr<const Pipeline> CascadePipeline::Load(const ModelDirectory& directory,
                                                      FileParameters::Options options) {
  const std::vector<ModelInfo> infos = DescribeStages(directory);
  const std::vector<ModelDirectory> parts = directory.Stages();
  std::vector<std::unique_ptr<const Pipeline>> pipelines;
  for (const ModelDirectory& part : parts)
    pipelines.push_back(LoadStage(part, options, pipelines.empty() ? nullptr : pipelines.front().get()));
  std::unique_ptr<CascadePipeline> first;
  int64_t enlarged = 1;
  for (size_t i = parts.size(); i-- > 0;) {
    std::unique_ptr<CascadePipeline> stage(new CascadePipeline);
    stage->info_ = infos[i];
    stage->stage_ = std::move(pipelines[i]);
    stage->enlarged_later_ = enlarged;
    stage->number_ = i;
    if (i == 0) {
      stage->hand_over_ = directory.HandOver();
      stage->hands_result_ = !parts[1].text_of().empty();
    }
    stage->next_ = std::move(first);
    enlarged *= infos[i].enlargement;
    first = std::move(stage);
  }
  first->info_ = Describe(directory);
  first->info_.revision = directory.Revision(options.precision);
  return first;
}

PictureRequest CascadePipeline::AsHere(const PictureRequest& request) const {
  if (number_ == 0) return request;
  if (info_.enlargement == 1) {
    PictureRequest here = request;
    here.clip_skip = std::min(here.clip_skip, info_.max_clip_skip);
    here.loras.clear();  // which are the first model's, as the layers are
    here.perturbed = {};
    return here;
  }
  PictureRequest here = {.prompt = request.prompt,
                         .negative_prompt = request.negative_prompt,
                         .guidance = info_.default_guidance,
                         .noise_level = std::min(info_.default_noise_level, info_.max_noise_level)};
  if (number_ <= request.later_stages.size()) {
    const LaterStage& asked = request.later_stages[number_ - 1];
    here.guidance = asked.guidance.value_or(here.guidance);
    here.noise_level = asked.noise_level.value_or(here.noise_level);
  }
  return here;
}

}  // namespace mind::diffusion
