#include "worker/link/convert.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/seeds.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/machine_fault.h"
#include "worker/image/decode.h"
#include "worker/image/encode.h"
#include "worker/image/infotext.h"
#include "worker/image/xmp.h"
#include "worker/link/sampler_messages.h"

namespace mind {
namespace {

constexpr int kJpegQuality = 95;
constexpr int kPreviewQuality = 75;
constexpr uint32_t kMostPicturePrompts = 4;
constexpr uint32_t kMostControls = 4;  // a picture: each takes half the time of the model's own network

image::RgbView View(const at::Tensor& picture) {
  return {picture.data_ptr<uint8_t>(), static_cast<int>(picture.size(1)), static_cast<int>(picture.size(0))};
}

absl::Status StatusOf(std::exception_ptr error) {
  using absl::StatusCode;
  if (diffusion::IsOutOfMemory(error)) {
    const bool host = diffusion::FaultOf(error) == diffusion::MachineFault::kOutOfMemory;
    return MakeError(StatusCode::kResourceExhausted, "out of memory for this request",
                     host ? "OUT_OF_MEMORY" : "OUT_OF_GPU_MEMORY");
  }
  try {
    std::rethrow_exception(error);
  } catch (const diffusion::CheckpointError& e) {
    return MakeError(StatusCode::kDataLoss, e.what(), "BAD_CHECKPOINT");
  } catch (const diffusion::RequestError& e) {
    return MakeError(StatusCode::kInvalidArgument, e.what(), "INVALID_REQUEST");
  } catch (const diffusion::ModelError& e) {
    return MakeError(StatusCode::kFailedPrecondition, e.what(), "BAD_MODEL");
  } catch (const c10::Error& e) {
    return MakeError(StatusCode::kInternal, e.what_without_backtrace(), "ENGINE");
  } catch (const std::exception& e) {
    return MakeError(StatusCode::kInternal, e.what(), "ENGINE");
  } catch (...) {
    return MakeError(StatusCode::kInternal, "unknown error", "ENGINE");
  }
}

std::vector<v1::Task> TasksOf(const diffusion::ModelInfo& info) {
  if (info.enlargement > 1) return {v1::TASK_UPSCALE};
  if (info.needs_mask) return {v1::TASK_INPAINT};
  if (info.needs_depth) return {v1::TASK_DEPTH_TO_IMAGE};
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

// What a request may bring along.
void AddInputs(const diffusion::ModelInfo& info, v1::Model& model) {
  const bool enlarges = info.enlargement > 1;
  const bool needs_source = enlarges || info.edits || info.varies || info.needs_mask || info.needs_depth;
  if (info.takes_source || needs_source) AddInput(v1::INPUT_ROLE_SOURCE, needs_source, model);
  if (info.needs_mask || (info.takes_source && !enlarges && !info.edits && !info.varies))
    AddInput(v1::INPUT_ROLE_MASK, info.needs_mask, model);
  if (info.needs_depth) AddInput(v1::INPUT_ROLE_DEPTH, true, model);
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

// As A1111 writes and reads it, LoRAs are part of the prompt.
std::string PromptWithLoras(const v1::ImageSpec& spec) {
  std::string prompt = spec.prompt();
  for (const v1::LoraUse& lora : spec.loras())
    absl::StrAppend(&prompt, " <lora:", lora.name(), ":", lora.scale(), ">");
  return prompt;
}

diffusion::FrameSizes ToSizes(const v1::FrameSizes& frame) {
  diffusion::FrameSizes sizes;
  if (frame.has_original_width()) sizes.original = {frame.original_height(), frame.original_width()};
  if (frame.has_target_width()) sizes.target = {frame.target_height(), frame.target_width()};
  sizes.crop = {frame.crop_top(), frame.crop_left()};
  return sizes;
}

diffusion::Emphasis ToEmphasis(v1::PromptEmphasis emphasis) {
  if (emphasis == v1::PROMPT_EMPHASIS_AS_WRITTEN) return diffusion::Emphasis::kAsWritten;
  return emphasis == v1::PROMPT_EMPHASIS_NONE ? diffusion::Emphasis::kNone : diffusion::Emphasis::kMeanKept;
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
  model.set_needs_mask_image(info.needs_mask);
  model.set_needs_depth_image(info.needs_depth);
  model.set_takes_second_prompt(info.takes_second_prompt);
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
  model.set_takes_prior_guidance(info.takes_prior_guidance);
  model.set_takes_perturbed_guidance(info.takes_perturbed);
  model.set_later_steps(static_cast<uint32_t>(info.later_steps));
  for (const std::string& lora : info.loras) model.add_loras(lora);
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

diffusion::TrajectoryRequest ToRequest(const v1::Assign& assign, const v1::AssignedImage& image) {
  const v1::ImageSpec& spec = assign.spec();
  diffusion::TrajectoryRequest request;
  request.model = spec.model();
  request.revision = assign.revision();
  request.picture.prompt = spec.prompt();
  // An empty one is none: only some models know a difference, and to them it means more.
  if (!spec.negative_prompt().empty()) request.picture.negative_prompt = spec.negative_prompt();
  request.picture.prompt_2 = spec.prompt_2();
  request.picture.negative_prompt_2 = spec.negative_prompt_2();
  request.picture.reading.emphasis = ToEmphasis(spec.emphasis());
  request.picture.sizes = ToSizes(spec.frame());
  if (spec.has_negative_frame()) request.picture.negative_sizes = ToSizes(spec.negative_frame());
  if (spec.has_aesthetic_score()) request.picture.aesthetic_score = spec.aesthetic_score();
  if (spec.has_negative_aesthetic_score())
    request.picture.negative_aesthetic_score = spec.negative_aesthetic_score();
  request.picture.guidance = spec.guidance();
  request.picture.guidance_rescale = spec.guidance_rescale();
  request.picture.clip_skip = spec.clip_skip();
  // The server has made a number of it, whatever it was asked for by.
  if (int64_t label = 0; absl::SimpleAtoi(spec.class_label(), &label)) request.picture.label = label;
  if (spec.has_noise_level()) request.picture.noise_level = spec.noise_level();
  for (const v1::LoraUse& lora : spec.loras()) request.picture.loras.push_back({lora.name(), lora.scale()});
  request.width = spec.width();
  request.height = spec.height();
  request.sampler = spec.sampler();
  request.steps = spec.steps();
  request.sampler_parameters = ToParameters(spec.sampler_parameters());
  request.seed = SeedOf(spec, image.image_index());
  if (spec.has_variation())
    request.variation = {VariationSeedOf(spec, image.image_index()), spec.variation().strength()};
  request.source = spec.source_image();
  request.mask = spec.mask_image();
  request.depth = spec.depth_image();
  request.strength = spec.strength();
  if (spec.has_picture_guidance()) request.picture.picture_guidance = spec.picture_guidance();
  if (spec.has_perturbed_guidance()) {
    const v1::PerturbedGuidance& given = spec.perturbed_guidance();
    request.picture.perturbed = {.scale = given.scale(),
                                 .fall = given.fall(),
                                 .layers = {given.layers().begin(), given.layers().end()}};
  }
  if (spec.has_prior_guidance()) request.picture.prior_guidance = spec.prior_guidance();
  for (const v1::ControlPicture& control : spec.controls()) {
    request.controls.push_back({.network = control.network(),
                                .picture = control.image(),
                                .weight = control.has_weight() ? control.weight() : 1,
                                .begin = control.begin(),
                                .end = control.has_end() ? control.end() : 1,
                                .guess_mode = control.guess_mode()});
    if (control.has_kind()) request.controls.back().kind = control.kind();
  }
  for (const v1::PicturePrompt& prompt : spec.picture_prompts()) {
    request.picture_prompts.push_back({.adapter = prompt.adapter(),
                                       .picture = prompt.image(),
                                       .weight = prompt.has_weight() ? prompt.weight() : 1,
                                       .mask = prompt.mask(),
                                       .layers = {}});
    for (const v1::LayerWeight& layer : prompt.layers())
      request.picture_prompts.back().layers.emplace_back(layer.layer(), layer.weight());
  }
  request.job = assign.job_id();
  request.tenant = assign.tenant();
  if (assign.tenant_weight() > 0 && std::isfinite(assign.tenant_weight()))
    request.tenant_weight = assign.tenant_weight();
  request.priority = assign.priority();
  request.preview_every = spec.preview_every();
  request.checkpoint = image.checkpoint();
  return request;
}

v1::Stage ToProto(diffusion::SideWork work) {
  switch (work) {
    case diffusion::SideWork::kLoading:
      return v1::STAGE_LOADING_MODEL;
    case diffusion::SideWork::kEncoding:
      return v1::STAGE_ENCODING;
    case diffusion::SideWork::kUpscaling:
      return v1::STAGE_UPSCALING;
    case diffusion::SideWork::kDecoding:
      return v1::STAGE_DECODING;
  }
  return v1::STAGE_UNSPECIFIED;
}

google::rpc::Status ErrorStatus(std::exception_ptr error) {
  return ToProto(StatusOf(error));
}

at::Tensor DecodeSource(const std::string& file) {
  try {
    auto picture = std::make_shared<image::RgbPicture>(image::DecodePicture(file));
    uint8_t* const data = picture->data.data();
    const std::vector<int64_t> shape = {picture->height, picture->width, 3};
    return at::from_blob(
        data, shape, [picture](void*) {}, at::kByte);  // which owns it from now on
  } catch (const std::runtime_error& e) {
    throw diffusion::RequestError(std::string("a picture of the request: ") + e.what());
  }
}

namespace {

EncodedPicture Encode(const at::Tensor& picture, const v1::ImageSpec& spec, uint32_t index) {
  switch (spec.format()) {
    case v1::IMAGE_FORMAT_JPEG:
      return {"image/jpeg",
              image::EncodeJpeg(View(picture),
                                spec.has_quality() ? static_cast<int>(spec.quality()) : kJpegQuality)};
    case v1::IMAGE_FORMAT_WEBP:
      return {"image/webp", spec.has_quality()
                                ? image::EncodeWebp(View(picture), static_cast<int>(spec.quality()))
                                : image::EncodeLosslessWebp(View(picture))};
    default:
      break;
  }
  if (spec.omit_metadata()) return {"image/png", image::EncodePng(View(picture), "")};
  const image::Infotext info{.prompt = PromptWithLoras(spec),
                             .negative_prompt = spec.negative_prompt(),
                             .steps = spec.steps(),
                             .sampler = spec.sampler(),
                             .sampler_parameters = ToJson(spec.sampler_parameters()),
                             .guidance = spec.guidance(),
                             .guidance_rescale = spec.guidance_rescale(),
                             .clip_skip = spec.clip_skip(),
                             .strength = spec.source_image().empty() ? 0 : spec.strength(),
                             .class_label = spec.class_label(),
                             .noise_level = spec.has_noise_level() ? int64_t{spec.noise_level()} : -1,
                             .seed = SeedOf(spec, index),
                             .variation_seed = spec.has_variation() ? VariationSeedOf(spec, index) : 0,
                             .variation_strength = spec.variation().strength(),
                             .width = static_cast<int>(spec.width()),
                             .height = static_cast<int>(spec.height()),
                             .model = spec.model(),
                             .version = "Mind-Diffusion " MIND_VERSION};
  return {"image/png", image::EncodePng(View(picture), image::FormatInfotext(info))};
}

// Undefined: it does not hold there.
at::Tensor Marked(const at::Tensor& picture, const image::Watermark& watermark) {
  const image::RgbView view = View(picture);
  image::RgbPicture marked{std::vector<uint8_t>(view.data, view.data + picture.numel()), view.width,
                           view.height};
  const double found = watermark.Put(marked);
  if (found < image::Watermark::kFound) {
    LogWarning("a picture has no room for a watermark",
               {{"width", view.width}, {"height", view.height}, {"found", found}});
    return {};
  }
  at::Tensor result = at::empty_like(picture);
  std::copy(marked.data.begin(), marked.data.end(), result.data_ptr<uint8_t>());
  return result;
}

}  // namespace

EncodedPicture EncodePicture(const at::Tensor& picture, const v1::ImageSpec& spec, uint32_t index,
                             const image::Watermark* watermark) {
  constexpr char kProgram[] = "Mind-Diffusion " MIND_VERSION;
  static const std::string* const made_by_model = new std::string(image::XmpOfMadeByModel(kProgram));
  static const std::string* const and_marked =
      new std::string(image::XmpOfMadeByModel(kProgram, "spread-spectrum"));
  const at::Tensor marked = watermark == nullptr ? at::Tensor() : Marked(picture, *watermark);
  EncodedPicture encoded = Encode(marked.defined() ? marked : picture, spec, index);
  encoded.data = image::WithXmp(std::move(encoded.data), marked.defined() ? *and_marked : *made_by_model);
  return encoded;
}

diffusion::RequestError PictureTooLarge(const EncodedPicture& picture, size_t allowed) {
  return diffusion::RequestError(absl::StrCat("the picture takes ", picture.data.size(), " bytes as ",
                                              picture.media_type, "; at most ", allowed,
                                              " are allowed: ask for a smaller one, or for JPEG"));
}

EncodedPicture EncodePreview(const at::Tensor& picture) {
  return {"image/jpeg", image::EncodeJpeg(View(picture), kPreviewQuality)};
}

}  // namespace mind
