#include "server/http/sdapi_source.h"

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/http/data_url.h"
#include "server/http/sdapi_request.h"
#include "worker/image/alpha_mask.h"
#include "worker/image/inverted_mask.h"

namespace mind::server {
namespace {

std::optional<std::string> ReadPicture(const nlohmann::json& value, const std::string& name,
                                       JsonFields& fields) {
  if (value.is_string()) {
    if (std::optional<std::string> bytes = FromBase64(value.get_ref<const std::string&>())) return bytes;
  }
  fields.Refuse(
      name, "must be a picture in base64 or a data URL (\"data:image/png;base64,…\"): URLs are not fetched");
  return std::nullopt;
}

// stable-diffusion.cpp's field, of the same call: what a model goes by that changes pictures.
void ReadReferences(JsonFields& fields, v1::ImageSpec& spec) {
  const nlohmann::json* const images = fields.Any("extra_images");
  if (!IsSomething(images)) return;
  if (!images->is_array()) return fields.Refuse("extra_images", "must be a list of pictures");
  for (const nlohmann::json& image : *images) {
    if (auto bytes = ReadPicture(image, "extra_images", fields)) spec.add_reference_images(*std::move(bytes));
  }
}

// A flag that clients also send as the number of a choice, 0 or 1.
bool IsOn(JsonFields& fields, const char* name) {
  const nlohmann::json* const value = fields.Any(name);
  if (value != nullptr && value->is_number()) return fields.Whole(name, 0, 1) == 1;
  return fields.Flag(name).value_or(false);
}

void ReadResizeMode(JsonFields& fields, v1::ImageSpec& spec) {
  switch (fields.Whole("resize_mode", 0, 3).value_or(0)) {
    case 1:
      return spec.set_source_fit(v1::SOURCE_FIT_CROP);
    case 2:
      return spec.set_source_fit(v1::SOURCE_FIT_FILL);
    case 3:
      return fields.Refuse("resize_mode", "latents are not resized here; it must be 0, 1 or 2");
    default:
      return;
  }
}

// 0 is a mask without grey.
void ReadMaskBlur(JsonFields& fields, v1::ImageSpec& spec) {
  const auto blur = fields.Number("mask_blur", 0, 1e9);
  const auto across = fields.Number("mask_blur_x", 0, 1e9), down = fields.Number("mask_blur_y", 0, 1e9);
  const double both = blur.value_or(across.value_or(0));
  if (across.value_or(both) != both || down.value_or(both) != both)
    fields.Refuse("mask_blur_x", "not supported; masks are blurred alike in both directions");
  if (both > 0) spec.set_mask_blur(both);
}

// A mask as A1111 reads it: by how opaque it is, where it is not opaque everywhere; turned round where that
// is asked for.
void SetMask(const std::string& file, JsonFields& fields, v1::ImageSpec& spec) {
  const bool inverts = IsOn(fields, "inpainting_mask_invert");
  try {
    std::string mask = image::MaskOfOpacity(file).value_or(file);
    spec.set_mask_image(inverts ? image::InvertedMask(mask) : std::move(mask));
  } catch (const std::runtime_error& e) {
    fields.Refuse("mask", absl::StrCat("cannot be read: ", e.what()));
  }
}

// Where left out it is the picture itself, though A1111's API means 0, its page 1: less of a surprise. From
// all of the way on it makes no difference, and any model will do.
void ReadMaskFill(JsonFields& fields, v1::ImageSpec& spec) {
  constexpr v1::MaskFill kFills[] = {v1::MASK_FILL_SURROUNDINGS, v1::MASK_FILL_UNSPECIFIED,
                                     v1::MASK_FILL_NOISE, v1::MASK_FILL_NOTHING};
  const int64_t fill = fields.Whole("inpainting_fill", 0, 3).value_or(1);
  if (spec.strength() < 1) spec.set_mask_fill(kFills[fill]);
}

}  // namespace

void ReadSdapiSource(JsonFields& fields, v1::ImageSpec& spec) {
  const nlohmann::json* const images = fields.Any("init_images");
  if (images == nullptr || !images->is_array() || images->size() != 1) {
    return fields.Refuse("init_images", "must be a list of one picture");
  }
  if (auto bytes = ReadPicture(images->front(), "init_images", fields))
    spec.set_source_image(*std::move(bytes));
  ReadReferences(fields, spec);
  const double strength = fields.Number("denoising_strength", 0, 1).value_or(kSdapiStrength);
  // Models that go by several pictures see them whole, and take none.
  if (spec.reference_images().empty()) spec.set_strength(strength);
  if (fields.Flag("enable_hr").value_or(false)) fields.Refuse("enable_hr", "is txt2img's; it must be false");
  ReadResizeMode(fields, spec);
  const nlohmann::json* const mask = fields.Any("mask");
  if (!IsSomething(mask)) return;
  if (const auto bytes = ReadPicture(*mask, "mask", fields)) SetMask(*bytes, fields, spec);
  ReadMaskBlur(fields, spec);
  ReadMaskFill(fields, spec);
  const auto padding = fields.Whole("inpaint_full_res_padding", 0, kMostSdapiPixels);
  if (IsOn(fields, "inpaint_full_res")) {
    v1::OnlyMasked& only = *spec.mutable_only_masked();
    if (padding) only.set_padding(static_cast<uint32_t>(*padding));
  }
}

}  // namespace mind::server
