#include "server/generation/reference_pictures.h"

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/model_input.h"

namespace mind::server {
namespace {

uint32_t ReferencesIn(const v1::ImageSpec& spec) {
  return static_cast<uint32_t>(spec.reference_images_size()) + (spec.source_image().empty() ? 0 : 1);
}

}  // namespace

absl::Status CheckReferences(const v1::Model& model, const v1::ImageSpec& spec) {
  constexpr char kField[] = "spec.reference_images";
  if (spec.reference_images().empty()) return absl::OkStatus();
  const v1::ModelInput* const allowed = InputOf(model, v1::INPUT_ROLE_REFERENCE);
  if (allowed == nullptr) return InvalidField(kField, "this model takes none");
  for (int i = 0; i < spec.reference_images_size(); ++i) {
    if (spec.reference_images(i).empty())
      return InvalidField(absl::StrCat(kField, "[", i, "]"), "empty; it must be a picture");
  }
  if (ReferencesIn(spec) <= allowed->most()) return absl::OkStatus();
  return InvalidField(kField, absl::StrCat(ReferencesIn(spec), " given",
                                           spec.source_image().empty() ? "" : " with source_image",
                                           ", at most ", allowed->most(), " are allowed"));
}

double ReferenceMegapixels(const v1::ImageSpec& spec, const v1::Model* model) {
  const v1::ModelInput* const input = model == nullptr ? nullptr : InputOf(*model, v1::INPUT_ROLE_REFERENCE);
  return input == nullptr ? 0 : ReferencesIn(spec) * input->megapixels();
}

}  // namespace mind::server
