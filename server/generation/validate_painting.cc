#include "server/generation/validate_painting.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr double kMaxMaskBlur = 64;
constexpr uint32_t kDefaultPadding = 32, kMaxPadding = 256;

// That the model takes it, and that what it is about is there.
absl::Status CheckTaken(const std::string& field, const v1::Model& model, const std::string& about,
                        bool has_about) {
  if (!model.takes_source_fit()) return InvalidField(field, "this model takes none");
  if (has_about) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("given without ", about, ", which it is about"));
}

absl::Status ResolveFit(const v1::Model& model, v1::ImageSpec& spec) {
  if (!v1::SourceFit_IsValid(spec.source_fit())) {
    return InvalidField("spec.source_fit",
                        absl::StrCat(static_cast<int>(spec.source_fit()), " is not a SourceFit"));
  }
  if (spec.source_fit() == v1::SOURCE_FIT_STRETCH) spec.clear_source_fit();
  if (spec.source_fit() == v1::SOURCE_FIT_UNSPECIFIED) return absl::OkStatus();
  return CheckTaken("spec.source_fit", model, "source_image", !spec.source_image().empty());
}

absl::Status ResolveMaskBlur(const v1::Model& model, v1::ImageSpec& spec) {
  if (!spec.has_mask_blur()) return absl::OkStatus();
  if (!(spec.mask_blur() >= 0 && spec.mask_blur() <= kMaxMaskBlur)) {  // NaN is neither
    return InvalidField("spec.mask_blur",
                        absl::StrCat(spec.mask_blur(), " given; it must be 0 to ", kMaxMaskBlur));
  }
  return CheckTaken("spec.mask_blur", model, "mask_image", !spec.mask_image().empty());
}

absl::Status ResolveOnlyMasked(const v1::Model& model, v1::ImageSpec& spec) {
  if (!spec.has_only_masked()) return absl::OkStatus();
  v1::OnlyMasked& only = *spec.mutable_only_masked();
  if (!only.has_padding()) only.set_padding(kDefaultPadding);
  if (only.padding() > kMaxPadding) {
    return InvalidField("spec.only_masked.padding",
                        absl::StrCat(only.padding(), " given; it must be 0 to ", kMaxPadding));
  }
  return CheckTaken("spec.only_masked", model, "mask_image", !spec.mask_image().empty());
}

absl::Status ResolveMaskFill(const v1::Model& model, v1::ImageSpec& spec) {
  constexpr char kField[] = "spec.mask_fill";
  if (!v1::MaskFill_IsValid(spec.mask_fill()))
    return InvalidField(kField, absl::StrCat(static_cast<int>(spec.mask_fill()), " is not a MaskFill"));
  if (spec.mask_fill() == v1::MASK_FILL_ORIGINAL) spec.clear_mask_fill();
  if (spec.mask_fill() == v1::MASK_FILL_UNSPECIFIED) return absl::OkStatus();
  if (!model.takes_mask_fill()) return InvalidField(kField, "this model takes none");
  if (spec.mask_image().empty()) return InvalidField(kField, "given without mask_image, which it is about");
  // From all of the way on nothing of it is left.
  if (spec.strength() == 1) spec.clear_mask_fill();
  return absl::OkStatus();
}

}  // namespace

absl::Status ResolvePainting(const v1::Model& model, v1::ImageSpec& spec) {
  if (absl::Status error = ResolveFit(model, spec); !error.ok()) return error;
  if (absl::Status error = ResolveMaskBlur(model, spec); !error.ok()) return error;
  if (absl::Status error = ResolveMaskFill(model, spec); !error.ok()) return error;
  return ResolveOnlyMasked(model, spec);
}

}  // namespace mind::server
