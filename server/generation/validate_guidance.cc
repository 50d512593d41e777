#include "server/generation/validate_guidance.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/resolve_sampler.h"
#include "server/generation/return_if_error.h"
#include "server/generation/validate_controls.h"

namespace mind::server {
namespace {

constexpr double kMaxNorm = 1e6;

absl::Status ResolveInterval(const v1::Model& model, v1::ImageSpec& spec) {
  if (!spec.has_guidance_interval()) return absl::OkStatus();
  if (!model.takes_guidance_interval())
    return InvalidField("spec.guidance_interval", "this model takes none");
  v1::GuidanceInterval& interval = *spec.mutable_guidance_interval();
  if (!interval.has_begin()) interval.set_begin(0);
  if (!interval.has_end()) interval.set_end(1);
  if (!(interval.end() > 0 && interval.end() <= 1)) {
    return InvalidField("spec.guidance_interval.end",
                        absl::StrCat(interval.end(), " given; it must be more than 0, up to 1"));
  }
  if (!(interval.begin() >= 0 && interval.begin() < interval.end())) {
    return InvalidField("spec.guidance_interval.begin",
                        absl::StrCat(interval.begin(), " given; it must be 0 to less than ", interval.end(),
                                     ", where it ends"));
  }
  if (interval.begin() == 0 && interval.end() == 1) spec.clear_guidance_interval();
  return absl::OkStatus();
}

absl::Status ResolveProjected(const v1::Model& model, v1::ImageSpec& spec) {
  if (!spec.has_projected_guidance()) return absl::OkStatus();
  if (!model.takes_projected_guidance())
    return InvalidField("spec.projected_guidance", "this model takes none");
  v1::ProjectedGuidance& projected = *spec.mutable_projected_guidance();
  if (!projected.has_eta()) projected.set_eta(1);
  if (!(projected.momentum() > -1 && projected.momentum() < 1)) {
    return InvalidField("spec.projected_guidance.momentum",
                        absl::StrCat(projected.momentum(), " given; it must be more than -1, less than 1"));
  }
  if (!(projected.norm_threshold() >= 0 && projected.norm_threshold() <= kMaxNorm)) {
    return InvalidField("spec.projected_guidance.norm_threshold",
                        absl::StrCat(projected.norm_threshold(), " given; it must be 0 to ", kMaxNorm));
  }
  if (!(projected.eta() >= 0 && projected.eta() <= 1)) {
    return InvalidField("spec.projected_guidance.eta",
                        absl::StrCat(projected.eta(), " given; it must be 0 to 1"));
  }
  if (projected.momentum() == 0 && projected.norm_threshold() == 0 && projected.eta() == 1)
    spec.clear_projected_guidance();
  return absl::OkStatus();
}

// The share of its steps that are guided, as workers count them.
double GuidedShare(const v1::ImageSpec& spec) {
  if (!spec.has_guidance_interval()) return 1;
  const double steps = StepsTaken(spec);
  const v1::GuidanceInterval& interval = spec.guidance_interval();
  return steps < 1 ? 1 : (std::floor(interval.end() * steps) - std::floor(interval.begin() * steps)) / steps;
}

}  // namespace

absl::Status ResolveGuidance(const v1::Model& model, v1::ImageSpec& spec) {
  MIND_RETURN_IF_ERROR(ResolveInterval(model, spec));
  return ResolveProjected(model, spec);
}

double RowsPerEvaluation(const v1::ImageSpec& spec, const v1::Model* model) {
  const bool both = model != nullptr && Edits(*model) && spec.guidance() > 1 && spec.picture_guidance() >= 1;
  const double guiding = spec.guidance() == 1 ? 0 : both ? 2 : 1;  // beside the request's own
  return 1 + guiding * GuidedShare(spec) + (spec.has_perturbed_guidance() ? 1 : 0);
}

}  // namespace mind::server
