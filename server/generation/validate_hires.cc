#include "server/generation/validate_hires.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/resolve_sampler.h"

namespace mind::server {
namespace {

constexpr double kDefaultScale = 2, kMaxScale = 8;
constexpr double kDefaultHiresStrength = 0.7;
// Of more, so many steps are made that this share of them is taken (worker/diffusion/engine/stages.cc).
constexpr double kMostStrengthCounted = 0.999;

bool HasList(const v1::ImageSpec& spec) {
  return std::any_of(spec.sampler_parameters().begin(), spec.sampler_parameters().end(),
                     [](const auto& parameter) { return parameter.second.has_list_value(); });
}

uint32_t RoundedDown(double pixels, uint32_t multiple) {
  return static_cast<uint32_t>(pixels / multiple) * multiple;
}

absl::Status CheckSide(const std::string& field, uint32_t value, uint32_t most, uint32_t multiple) {
  if (value >= multiple && value <= most && value % multiple == 0) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("it would be ", value, "; it must be a multiple of ", multiple,
                                          " from ", multiple, " to ", most));
}

absl::Status ResolveHiresSize(const v1::Model& model, const v1::ImageSpec& spec, v1::Hires& hires) {
  const uint32_t multiple = std::max<uint32_t>(model.size_multiple(), 1);
  const double width = spec.width(), height = spec.height();
  if (hires.has_scale() && (hires.has_width() || hires.has_height()))
    return InvalidField("spec.hires.scale", "given together with a width or height; one of them says it");
  if (!hires.has_width() && !hires.has_height()) {
    if (!hires.has_scale()) hires.set_scale(kDefaultScale);
    if (!(hires.scale() > 1 && hires.scale() <= kMaxScale)) {  // NaN is neither
      return InvalidField("spec.hires.scale",
                          absl::StrCat(hires.scale(), " given; it must be more than 1, up to ", kMaxScale));
    }
    hires.set_width(RoundedDown(width * hires.scale(), multiple));
    hires.set_height(RoundedDown(height * hires.scale(), multiple));
  }
  if (!hires.has_width()) hires.set_width(RoundedDown(hires.height() * width / height, multiple));
  if (!hires.has_height()) hires.set_height(RoundedDown(hires.width() * height / width, multiple));
  if (absl::Status error = CheckSide("spec.hires.width", hires.width(), model.max_width(), multiple);
      !error.ok())
    return error;
  return CheckSide("spec.hires.height", hires.height(), model.max_height(), multiple);
}

}  // namespace

absl::Status ResolveHires(const v1::Model& model, v1::ImageSpec& spec) {
  if (!spec.has_hires()) return absl::OkStatus();
  if (!model.takes_hires()) return InvalidField("spec.hires", "this model takes none");
  if (!spec.source_image().empty())
    return InvalidField("spec.hires", "given with source_image; it is for pictures that begin with noise");
  if (HasList(spec))
    return InvalidField("spec.hires",
                        "given with a list among the sampler's parameters, which makes its steps");
  v1::Hires& hires = *spec.mutable_hires();
  if (!v1::HiresUpscaler_IsValid(hires.upscaler())) {
    return InvalidField("spec.hires.upscaler",
                        absl::StrCat(static_cast<int>(hires.upscaler()), " is not a HiresUpscaler"));
  }
  if (hires.upscaler() == v1::HIRES_UPSCALER_UNSPECIFIED) hires.set_upscaler(v1::HIRES_UPSCALER_LATENT);
  if (absl::Status error = ResolveHiresSize(model, spec, hires); !error.ok()) return error;
  if (!hires.has_strength()) hires.set_strength(kDefaultHiresStrength);
  if (!(hires.strength() > 0 && hires.strength() <= 1)) {
    return InvalidField("spec.hires.strength",
                        absl::StrCat(hires.strength(), " given; it must be more than 0, up to 1"));
  }
  if (!hires.has_steps()) hires.set_steps(spec.steps());
  const uint32_t most = MostSteps(model, spec);
  const double made = std::floor(hires.steps() / std::min(hires.strength(), kMostStrengthCounted));
  if (hires.steps() >= 1 && made <= most) return absl::OkStatus();
  return InvalidField("spec.hires.steps",
                      absl::StrCat(hires.steps(), " given, the last of ", made, " at a strength of ",
                                   hires.strength(), "; they must be 1 or more, the last of at most ", most));
}

double EvaluationsOfHires(const v1::ImageSpec& spec, const v1::Model* model) {
  const double pixels = static_cast<double>(spec.width()) * spec.height();
  if (!spec.has_hires() || pixels <= 0) return 0;
  const double larger = static_cast<double>(spec.hires().width()) * spec.hires().height() / pixels;
  return larger * EvaluationsOfSteps(spec.hires().steps(), spec, model);
}

}  // namespace mind::server
