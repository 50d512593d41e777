#include "worker/link/convert.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

diffusion::Fit ToFit(v1::SourceFit fit) {
  if (fit == v1::SOURCE_FIT_CROP) return diffusion::Fit::kCrop;
  return fit == v1::SOURCE_FIT_FILL ? diffusion::Fit::kFill : diffusion::Fit::kStretch;
}

diffusion::MaskFill ToFill(v1::MaskFill fill) {
  switch (fill) {
    case v1::MASK_FILL_SURROUNDINGS:
      return diffusion::MaskFill::kSurroundings;
    case v1::MASK_FILL_NOISE:
      return diffusion::MaskFill::kNoise;
    case v1::MASK_FILL_NOTHING:
      return diffusion::MaskFill::kNothing;
    default:
      return diffusion::MaskFill::kOriginal;
  }
}

diffusion::PerturbedSteps ToSteps(const v1::PerturbedGuidance& given) {
  const v1::PerturbedInterval& interval = given.interval();
  return {.after = interval.has_begin() ? interval.begin() : -1,
          .before = interval.has_end() ? interval.end() : 1};
}

diffusion::HiresPass ToPass(const v1::Hires& hires) {
  return {.width = hires.width(),
          .height = hires.height(),
          .steps = hires.steps(),
          .strength = hires.strength(),
          .latents = hires.upscaler() != v1::HIRES_UPSCALER_LANCZOS};
}

}  // namespace

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
  request.picture.prompt_3 = spec.prompt_3();
  request.picture.negative_prompt_3 = spec.negative_prompt_3();
  request.picture.reading.emphasis = ToEmphasis(spec.emphasis());
  request.picture.sizes = ToSizes(spec.frame());
  if (spec.has_negative_frame()) request.picture.negative_sizes = ToSizes(spec.negative_frame());
  if (spec.has_aesthetic_score()) request.picture.aesthetic_score = spec.aesthetic_score();
  if (spec.has_negative_aesthetic_score())
    request.picture.negative_aesthetic_score = spec.negative_aesthetic_score();
  request.picture.guidance = spec.guidance();
  request.picture.guidance_rescale = spec.guidance_rescale();
  if (spec.has_guidance_interval()) {
    const v1::GuidanceInterval& steps = spec.guidance_interval();
    request.picture.guided_steps = {.begin = steps.begin(), .end = steps.has_end() ? steps.end() : 1};
  }
  if (spec.has_projected_guidance()) {
    const v1::ProjectedGuidance& given = spec.projected_guidance();
    request.picture.projection = {.momentum = given.momentum(),
                                  .longest = given.norm_threshold(),
                                  .along = given.has_eta() ? given.eta() : 1};
  }
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
  request.references = {spec.reference_images().begin(), spec.reference_images().end()};
  if (request.source.empty() && !request.references.empty()) {  // the first is what a source is
    request.source = std::move(request.references.front());
    request.references.erase(request.references.begin());
  }
  request.mask = spec.mask_image();
  request.fit = ToFit(spec.source_fit());
  if (spec.has_mask_blur()) request.mask_blur = spec.mask_blur();
  if (spec.has_only_masked()) request.only_masked = spec.only_masked().padding();
  request.mask_fill = ToFill(spec.mask_fill());
  request.vae = {spec.vae(), spec.vae_hash()};
  request.depth = spec.depth_image();
  request.strength = spec.strength();
  for (const v1::LaterStage& given : spec.later_stages()) {
    diffusion::LaterStage& stage = request.picture.later_stages.emplace_back();
    if (given.has_steps()) stage.steps = given.steps();
    if (given.has_guidance()) stage.guidance = given.guidance();
    if (given.has_noise_level()) stage.noise_level = given.noise_level();
  }
  request.tiling = spec.tiling();
  if (spec.has_hires()) request.hires = ToPass(spec.hires());
  if (spec.has_picture_guidance()) request.picture.picture_guidance = spec.picture_guidance();
  if (spec.has_perturbed_guidance()) {
    const v1::PerturbedGuidance& given = spec.perturbed_guidance();
    request.picture.perturbed = {.scale = given.scale(),
                                 .fall = given.fall(),
                                 .layers = {given.layers().begin(), given.layers().end()},
                                 .steps = ToSteps(given)};
  }
  if (spec.has_scorer_guidance())
    request.picture.scorer = {spec.scorer_guidance().scale(), spec.scorer_guidance().target()};
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

image::Infotext::Hires HiresIn(const v1::ImageSpec& spec) {
  if (!spec.has_hires()) return {};
  const v1::Hires& hires = spec.hires();
  return {.scale = hires.scale(),
          .width = static_cast<int>(hires.width()),
          .height = static_cast<int>(hires.height()),
          .steps = hires.steps(),
          .upscaler = hires.upscaler() == v1::HIRES_UPSCALER_LANCZOS ? "Lanczos" : "Latent"};
}

// Of a request that says of one by the old field alone, nothing.
int64_t ReferencesIn(const v1::ImageSpec& spec) {
  if (spec.reference_images().empty()) return 0;
  return spec.reference_images_size() + (spec.source_image().empty() ? 0 : 1);
}

std::string FitIn(const v1::ImageSpec& spec) {
  if (spec.source_fit() == v1::SOURCE_FIT_CROP) return "crop";
  return spec.source_fit() == v1::SOURCE_FIT_FILL ? "fill" : "";
}

// In A1111's words.
std::string FillIn(const v1::ImageSpec& spec) {
  if (spec.mask_fill() == v1::MASK_FILL_SURROUNDINGS) return "fill";
  if (spec.mask_fill() == v1::MASK_FILL_NOISE) return "latent noise";
  return spec.mask_fill() == v1::MASK_FILL_NOTHING ? "latent nothing" : "";
}

image::Infotext::Projected ProjectedIn(const v1::ImageSpec& spec) {
  if (!spec.has_projected_guidance()) return {};
  const v1::ProjectedGuidance& projected = spec.projected_guidance();
  return {.momentum = projected.momentum(),
          .norm_threshold = projected.norm_threshold(),
          .eta = projected.has_eta() ? projected.eta() : 1};
}

std::vector<std::pair<std::string, std::string>> FurtherPromptsIn(const v1::ImageSpec& spec) {
  std::vector<std::pair<std::string, std::string>> prompts = {
      {"Prompt 2", spec.prompt_2()},
      {"Negative prompt 2", spec.negative_prompt_2()},
      {"Prompt 3", spec.prompt_3()},
      {"Negative prompt 3", spec.negative_prompt_3()}};
  std::erase_if(prompts, [](const auto& named) { return named.second.empty(); });
  return prompts;
}

image::Infotext::Perturbed PerturbedIn(const v1::ImageSpec& spec) {
  const v1::PerturbedGuidance& given = spec.perturbed_guidance();
  const diffusion::PerturbedSteps steps = ToSteps(given);
  return {.scale = given.scale(),
          .fall = given.fall(),
          .layers = absl::StrJoin(given.layers(), " "),
          .after = steps.after,
          .before = steps.before};
}

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
  const image::Infotext info{
      .prompt = PromptWithLoras(spec),
      .negative_prompt = spec.negative_prompt(),
      .further_prompts = FurtherPromptsIn(spec),
      .steps = spec.steps(),
      .sampler = spec.sampler(),
      .sampler_parameters = ToJson(spec.sampler_parameters()),
      .guidance = spec.guidance(),
      .guidance_rescale = spec.guidance_rescale(),
      .guidance_begin = spec.guidance_interval().begin(),
      .guidance_end = spec.guidance_interval().has_end() ? spec.guidance_interval().end() : 1,
      .projected = ProjectedIn(spec),
      .perturbed = PerturbedIn(spec),
      .clip_skip = spec.clip_skip(),
      .strength = spec.has_hires()              ? spec.hires().strength()
                  : spec.source_image().empty() ? 0
                                                : spec.strength(),
      .references = ReferencesIn(spec),
      .source_fit = FitIn(spec),
      .mask_blur = spec.has_mask_blur() ? spec.mask_blur() : -1,
      .mask_padding = spec.has_only_masked() ? int64_t{spec.only_masked().padding()} : -1,
      .mask_fill = FillIn(spec),
      .hires = HiresIn(spec),
      .tiling = spec.tiling(),
      .vae = spec.vae(),
      .vae_hash = spec.vae_hash(),
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
