#include "server/generation/resolve_spec.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/class_number.h"
#include "server/generation/nearest_names.h"
#include "server/generation/reference_pictures.h"
#include "server/generation/return_if_error.h"
#include "server/generation/validate_controls.h"
#include "server/generation/validate_guidance.h"
#include "server/generation/validate_hires.h"
#include "server/generation/validate_later_stages.h"
#include "server/generation/validate_painting.h"
#include "server/generation/validate_picture_prompts.h"
#include "server/generation/validate_vae.h"

namespace mind::server {
namespace {

constexpr double kDefaultStrength = 0.8;
constexpr size_t kMaxClassLabel = 256;
constexpr uint32_t kDefaultNoiseLevel = 20;
constexpr int kMaxLoras = 8;
constexpr double kMaxLoraScale = 10;
constexpr uint32_t kMaxQuality = 100;
constexpr uint32_t kMaxFrame = 16384;
constexpr double kMaxAestheticScore = 10;

absl::Status CheckText(const std::string& field, const std::string& text, size_t limit, bool taken) {
  if (text.size() > limit) {
    return InvalidField(field, absl::StrCat(text.size(), " bytes given, at most ", limit, " are allowed"));
  }
  if (!IsValidUtf8(text)) return InvalidField(field, "not valid UTF-8");
  if (!taken && !text.empty()) return InvalidField(field, "this model takes none; it must be empty");
  return absl::OkStatus();
}

// Fills in the default, or checks what was given against [1, max] and the multiple.
absl::Status ResolveExtent(const std::string& field, bool given, uint32_t& value, uint32_t fallback,
                           uint32_t max, uint32_t multiple) {
  if (!given) value = fallback;
  if (value < 1 || value > max || value % multiple != 0) {
    return InvalidField(field, absl::StrCat(value, " given; it must be a multiple of ", multiple, " from ",
                                            multiple, " to ", max));
  }
  return absl::OkStatus();
}

absl::Status ResolveSize(const v1::Model& model, v1::ImageSpec& spec) {
  uint32_t width = spec.width(), height = spec.height();
  MIND_RETURN_IF_ERROR(ResolveExtent("spec.width", spec.has_width(), width, model.default_width(),
                                     model.max_width(), model.size_multiple()));
  MIND_RETURN_IF_ERROR(ResolveExtent("spec.height", spec.has_height(), height, model.default_height(),
                                     model.max_height(), model.size_multiple()));
  spec.set_width(width);
  spec.set_height(height);
  return absl::OkStatus();
}

absl::Status ResolveNumber(const std::string& field, double value, double max) {
  if (!(value >= 0 && value <= max)) {  // NaN fails this too
    return InvalidField(field, absl::StrCat(value, " given; it must be 0 to ", max));
  }
  return absl::OkStatus();
}

// Which pictures a request brings along.
absl::Status ResolveSource(const v1::Model& model, v1::ImageSpec& spec) {
  if (model.needs_mask_image() && (spec.source_image().empty() || spec.mask_image().empty())) {
    return InvalidField(spec.source_image().empty() ? "spec.source_image" : "spec.mask_image",
                        "this model paints into pictures: it needs both source_image and mask_image");
  }
  if (model.needs_depth_image() != !spec.depth_image().empty()) {
    return InvalidField("spec.depth_image", model.needs_depth_image()
                                                ? "this model needs one, beside source_image"
                                                : "this model takes none");
  }
  if (model.needs_depth_image() && spec.source_image().empty()) {
    return InvalidField("spec.source_image", "this model needs one, beside depth_image");
  }
  if (model.enlargement() > 1) {
    if (spec.source_image().empty())
      return InvalidField("spec.source_image", "this model enlarges pictures: it needs one");
    if (!spec.mask_image().empty()) return InvalidField("spec.mask_image", "this model takes none");
    if (spec.has_strength()) return InvalidField("spec.strength", "this model takes none");
    return absl::OkStatus();
  }
  if (Edits(model) || Varies(model)) {
    const bool brings = !spec.source_image().empty() || !spec.reference_images().empty();
    if (!brings && !MakesOfPrompt(model)) {
      return InvalidField("spec.source_image", Edits(model) ? "this model changes pictures: it needs one"
                                                            : "this model varies pictures: it needs one");
    }
    if (!spec.mask_image().empty()) return InvalidField("spec.mask_image", "this model takes none");
    if (spec.has_strength()) return InvalidField("spec.strength", "this model takes none");
    return absl::OkStatus();
  }
  if (spec.source_image().empty()) {
    if (!spec.mask_image().empty())
      return InvalidField("spec.mask_image", "given without source_image, which it is about");
    if (!spec.has_strength()) return absl::OkStatus();
    return InvalidField("spec.strength", "given without source_image, which it is about");
  }
  if (!model.takes_source_image()) return InvalidField("spec.source_image", "this model takes none");
  // What is to be painted anew is, by default, painted from nothing.
  if (!spec.has_strength()) spec.set_strength(spec.mask_image().empty() ? kDefaultStrength : 1);
  MIND_RETURN_IF_ERROR(ResolveNumber("spec.strength", spec.strength(), 1));
  if (std::floor(spec.strength() * spec.steps()) < 1) {
    return InvalidField("spec.strength", absl::StrCat(spec.strength(), " of ", spec.steps(),
                                                      " steps is less than one; give more of either"));
  }
  return absl::OkStatus();
}

// The class as a number, whatever it was asked for by.
absl::Status ResolveClass(const v1::Model& model, v1::ImageSpec& spec) {
  const std::string& given = spec.class_label();
  MIND_RETURN_IF_ERROR(CheckText("spec.class_label", given, kMaxClassLabel, model.class_count() > 0));
  if (model.class_count() == 0) return absl::OkStatus();
  const std::string allowed = absl::StrCat("0 to ", model.class_count() - 1,
                                           model.class_names().empty() ? "" : " or a name of the model's");
  if (given.empty()) {
    return InvalidField("spec.class_label", absl::StrCat("this model needs one: ", allowed));
  }
  if (const std::optional<uint32_t> number = ClassNumber(model, model.class_count(), given)) {
    spec.set_class_label(absl::StrCat(*number));
    return absl::OkStatus();
  }
  return InvalidField("spec.class_label",
                      absl::StrCat("\"", Printable(given), "\" given; it must be ", allowed));
}

absl::Status ResolveNoiseLevel(const v1::Model& model, v1::ImageSpec& spec) {
  if (model.max_noise_level() == 0) {
    if (!spec.has_noise_level()) return absl::OkStatus();
    return InvalidField("spec.noise_level", "this model takes none");
  }
  if (!spec.has_noise_level()) {
    spec.set_noise_level(model.has_default_noise_level()
                             ? model.default_noise_level()
                             : std::min(kDefaultNoiseLevel, model.max_noise_level()));
  }
  if (spec.noise_level() <= model.max_noise_level()) return absl::OkStatus();
  return InvalidField("spec.noise_level",
                      absl::StrCat(spec.noise_level(), " given; it must be 0 to ", model.max_noise_level()));
}

absl::Status ResolveLoras(const v1::Model& model, v1::ImageSpec& spec) {
  if (spec.loras_size() > kMaxLoras) {
    return InvalidField("spec.loras",
                        absl::StrCat(spec.loras_size(), " given, at most ", kMaxLoras, " are allowed"));
  }
  std::set<std::string> seen;
  for (int i = 0; i < spec.loras_size(); ++i) {
    v1::LoraUse& lora = *spec.mutable_loras(i);
    const std::string field = absl::StrCat("spec.loras[", i, "]");
    if (std::find(model.loras().begin(), model.loras().end(), lora.name()) == model.loras().end()) {
      return InvalidField(
          field + ".name",
          absl::StrCat("\"", Printable(lora.name()), "\" is none of this model's: ",
                       NearestNames(lora.name(), {model.loras().begin(), model.loras().end()})));
    }
    if (!seen.insert(lora.name()).second)
      return InvalidField(field + ".name", absl::StrCat("\"", lora.name(), "\" is given twice"));
    if (!lora.has_scale()) lora.set_scale(1);
    if (!(std::abs(lora.scale()) <= kMaxLoraScale)) {
      return InvalidField(field + ".scale", absl::StrCat(lora.scale(), " given; it must be ", -kMaxLoraScale,
                                                         " to ", kMaxLoraScale));
    }
  }
  return absl::OkStatus();
}

// One of two numbers alone says nothing.
absl::Status CheckPair(const std::string& field, bool width, bool height) {
  if (width == height) return absl::OkStatus();
  return InvalidField(field, width ? "a width without its height" : "a height without its width");
}

absl::Status CheckFrame(const std::string& field, bool given, const v1::FrameSizes& frame,
                        const v1::Model& model) {
  if (!given) return absl::OkStatus();
  if (!model.takes_frame_sizes()) return InvalidField(field, "this model takes none");
  MIND_RETURN_IF_ERROR(
      CheckPair(field + ".original_width", frame.has_original_width(), frame.has_original_height()));
  MIND_RETURN_IF_ERROR(
      CheckPair(field + ".target_width", frame.has_target_width(), frame.has_target_height()));
  const std::tuple<const char*, bool, uint32_t> numbers[] = {
      {".original_width", frame.has_original_width(), frame.original_width()},
      {".original_height", frame.has_original_height(), frame.original_height()},
      {".target_width", frame.has_target_width(), frame.target_width()},
      {".target_height", frame.has_target_height(), frame.target_height()}};
  for (const auto& [name, has, value] : numbers) {
    if (has && (value < 1 || value > kMaxFrame))
      return InvalidField(field + name, absl::StrCat(value, " given; it must be 1 to ", kMaxFrame));
  }
  const std::pair<const char*, uint32_t> crops[] = {{".crop_left", frame.crop_left()},
                                                    {".crop_top", frame.crop_top()}};
  for (const auto& [name, value] : crops) {
    if (value > kMaxFrame)
      return InvalidField(field + name, absl::StrCat(value, " given; it must be 0 to ", kMaxFrame));
  }
  return absl::OkStatus();
}

absl::Status CheckScore(const std::string& field, bool given, double score, const v1::Model& model) {
  if (!given) return absl::OkStatus();
  if (!model.takes_aesthetic_score()) return InvalidField(field, "this model takes none");
  return ResolveNumber(field, score, kMaxAestheticScore);
}

// What some models are told of a picture beside its prompt, and how prompts are read.
absl::Status CheckConditions(const v1::Model& model, const RequestLimits& limits, const v1::ImageSpec& spec) {
  if (!v1::PromptEmphasis_IsValid(spec.emphasis())) {
    return InvalidField("spec.emphasis",
                        absl::StrCat(static_cast<int>(spec.emphasis()), " is not a PromptEmphasis"));
  }
  const bool second = model.takes_second_prompt();
  MIND_RETURN_IF_ERROR(CheckText("spec.prompt_2", spec.prompt_2(), limits.max_prompt_bytes, second));
  MIND_RETURN_IF_ERROR(
      CheckText("spec.negative_prompt_2", spec.negative_prompt_2(), limits.max_prompt_bytes, second));
  const bool third = model.takes_third_prompt();
  MIND_RETURN_IF_ERROR(CheckText("spec.prompt_3", spec.prompt_3(), limits.max_prompt_bytes, third));
  MIND_RETURN_IF_ERROR(
      CheckText("spec.negative_prompt_3", spec.negative_prompt_3(), limits.max_prompt_bytes, third));
  MIND_RETURN_IF_ERROR(CheckFrame("spec.frame", spec.has_frame(), spec.frame(), model));
  MIND_RETURN_IF_ERROR(
      CheckFrame("spec.negative_frame", spec.has_negative_frame(), spec.negative_frame(), model));
  MIND_RETURN_IF_ERROR(
      CheckScore("spec.aesthetic_score", spec.has_aesthetic_score(), spec.aesthetic_score(), model));
  return CheckScore("spec.negative_aesthetic_score", spec.has_negative_aesthetic_score(),
                    spec.negative_aesthetic_score(), model);
}

absl::Status ResolveQuality(const v1::ImageSpec& spec) {
  if (!spec.has_quality()) return absl::OkStatus();
  if (spec.format() == v1::IMAGE_FORMAT_PNG) {
    return InvalidField("spec.quality",
                        absl::StrCat(spec.quality(), " given; PNG loses nothing, it must be left out"));
  }
  if (spec.quality() >= 1 && spec.quality() <= kMaxQuality) return absl::OkStatus();
  return InvalidField("spec.quality", absl::StrCat(spec.quality(), " given; it must be 1 to ", kMaxQuality));
}

// One of strength 0 is none.
absl::Status ResolveVariation(const v1::Model& model, uint64_t random_seed, v1::ImageSpec& spec) {
  // Random seeds of both are that far apart in the 32 bits that matter to noise: next to each other, the
  // variation of one picture would be the noise of another.
  constexpr uint64_t kFarOff = uint64_t{1} << 31;
  if (!spec.has_variation()) return absl::OkStatus();
  if (!spec.variation().has_strength())
    return InvalidField("spec.variation.strength", "not given; a variation needs one, 0 to 1");
  MIND_RETURN_IF_ERROR(ResolveNumber("spec.variation.strength", spec.variation().strength(), 1));
  if (spec.variation().strength() == 0) {
    spec.clear_variation();
    return absl::OkStatus();
  }
  if (!model.takes_variation()) return InvalidField("spec.variation", "this model takes none");
  if (!spec.variation().has_seed()) spec.mutable_variation()->set_seed(random_seed ^ kFarOff);
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolveSpec(const v1::Model& model, const RequestLimits& limits, uint64_t random_seed,
                         v1::ImageSpec& spec) {
  spec.set_model(model.name());
  MIND_RETURN_IF_ERROR(
      CheckText("spec.prompt", spec.prompt(), limits.max_prompt_bytes, model.takes_prompt()));
  MIND_RETURN_IF_ERROR(CheckText("spec.negative_prompt", spec.negative_prompt(), limits.max_prompt_bytes,
                                 model.takes_negative_prompt()));
  MIND_RETURN_IF_ERROR(CheckConditions(model, limits, spec));
  MIND_RETURN_IF_ERROR(ResolveSize(model, spec));
  if (!spec.has_guidance()) spec.set_guidance(model.default_guidance());
  MIND_RETURN_IF_ERROR(ResolveNumber("spec.guidance", spec.guidance(), limits.max_guidance));
  if (!model.takes_prompt() && model.default_guidance() == 1 && spec.guidance() != 1) {
    return InvalidField("spec.guidance", absl::StrCat(spec.guidance(),
                                                      " given; this model was not trained for guidance, it "
                                                      "must be 1"));
  }
  MIND_RETURN_IF_ERROR(ResolveClass(model, spec));
  MIND_RETURN_IF_ERROR(ResolveNoiseLevel(model, spec));
  MIND_RETURN_IF_ERROR(ResolveLoras(model, spec));
  MIND_RETURN_IF_ERROR(ResolveNumber("spec.guidance_rescale", spec.guidance_rescale(), 1));
  if (spec.clip_skip() > model.max_clip_skip()) {
    return InvalidField("spec.clip_skip",
                        absl::StrCat(spec.clip_skip(), " given; it must be 0 to ", model.max_clip_skip()));
  }
  MIND_RETURN_IF_ERROR(CheckReferences(model, spec));
  MIND_RETURN_IF_ERROR(ResolveSource(model, spec));
  MIND_RETURN_IF_ERROR(ResolvePainting(model, spec));
  MIND_RETURN_IF_ERROR(ResolveHires(model, spec));
  MIND_RETURN_IF_ERROR(CheckLaterStages(model, limits.max_guidance, spec));
  if (spec.tiling() && !model.takes_tiling()) return InvalidField("spec.tiling", "this model takes none");
  MIND_RETURN_IF_ERROR(ResolveVae(model, spec));
  MIND_RETURN_IF_ERROR(ResolveControls(model, spec));
  MIND_RETURN_IF_ERROR(ResolveGuidance(model, limits, spec));
  MIND_RETURN_IF_ERROR(ResolvePicturePrompts(model, spec));
  if (!spec.has_seed()) spec.set_seed(random_seed);
  MIND_RETURN_IF_ERROR(ResolveVariation(model, random_seed, spec));
  if (!spec.has_image_count()) spec.set_image_count(1);
  if (spec.image_count() < 1 || spec.image_count() > limits.max_image_count) {
    return InvalidField("spec.image_count",
                        absl::StrCat(spec.image_count(), " given; it must be 1 to ", limits.max_image_count));
  }
  if (!v1::ImageFormat_IsValid(spec.format())) {
    return InvalidField("spec.format",
                        absl::StrCat(static_cast<int>(spec.format()), " is not an ImageFormat"));
  }
  if (spec.format() == v1::IMAGE_FORMAT_UNSPECIFIED) spec.set_format(v1::IMAGE_FORMAT_PNG);
  if (!spec.has_preview_every()) spec.set_preview_every(1);
  return ResolveQuality(spec);
}

}  // namespace mind::server
