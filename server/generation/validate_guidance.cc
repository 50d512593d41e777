#include "server/generation/validate_guidance.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/class_number.h"
#include "server/generation/resolve_sampler.h"
#include "server/generation/return_if_error.h"

namespace mind::server {
namespace {

constexpr double kMaxNorm = 1e6, kMaxScorerScale = 1e4;

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

// A class becomes its number.
absl::Status ResolveScorerTarget(const v1::Model& model, const RequestLimits& limits, v1::ImageSpec& spec) {
  constexpr char kField[] = "spec.scorer_guidance.target";
  std::string& target = *spec.mutable_scorer_guidance()->mutable_target();
  if (target.size() > limits.max_prompt_bytes) {
    return InvalidField(kField, absl::StrCat(target.size(), " bytes given, at most ", limits.max_prompt_bytes,
                                             " are allowed"));
  }
  if (!IsValidUtf8(target)) return InvalidField(kField, "not valid UTF-8");
  if (model.scorer().kind() != v1::SCORER_KIND_CLASS) {
    if (!target.empty() || !spec.prompt().empty()) return absl::OkStatus();
    return InvalidField(kField,
                        "this model's scorer leads towards a text: it needs one where there is no prompt");
  }
  const uint32_t count = model.scorer().class_count();
  const std::string& given = target.empty() ? spec.class_label() : target;
  const std::optional<uint32_t> number = ClassNumber(model, count, given);
  if (!number) {
    return InvalidField(kField,
                        absl::StrCat("\"", Printable(given),
                                     "\" given; this model's scorer leads towards classes 0 to ", count - 1));
  }
  target = absl::StrCat(*number);
  return absl::OkStatus();
}

absl::Status ResolveScorer(const v1::Model& model, const RequestLimits& limits, v1::ImageSpec& spec) {
  if (!spec.has_scorer_guidance()) return absl::OkStatus();
  if (!model.has_scorer()) return InvalidField("spec.scorer_guidance", "this model has no scorer");
  const double scale = spec.scorer_guidance().scale();
  if (!(scale > 0 && scale <= kMaxScorerScale)) {
    return InvalidField("spec.scorer_guidance.scale",
                        absl::StrCat(scale, " given; it must be more than 0, up to ", kMaxScorerScale));
  }
  return ResolveScorerTarget(model, limits, spec);
}

// The share of its steps that are guided, as workers count them.
double GuidedShare(const v1::ImageSpec& spec) {
  if (!spec.has_guidance_interval()) return 1;
  const double steps = StepsTaken(spec);
  const v1::GuidanceInterval& interval = spec.guidance_interval();
  return steps < 1 ? 1 : (std::floor(interval.end() * steps) - std::floor(interval.begin() * steps)) / steps;
}

// What leading one evaluation takes: as measured, and until then a row.
double ScorerRows(const v1::ImageSpec& spec, const v1::Model* model) {
  if (!spec.has_scorer_guidance()) return 0;
  const double measured = model == nullptr ? 0 : model->scorer().rows();
  return measured > 0 ? measured : 1;
}

bool HasSecondRow(const v1::ImageSpec& spec, const v1::Model* model) {
  switch (model == nullptr ? v1::SECOND_ROW_UNSPECIFIED : model->second_row()) {
    case v1::SECOND_ROW_NEVER:
      return false;
    case v1::SECOND_ROW_NEGATIVE_PROMPT:
      return !spec.negative_prompt().empty();
    default:
      return spec.guidance() != 1;
  }
}

// The share in which it is led away from perturbed layers, likewise.
double PerturbedShare(const v1::ImageSpec& spec) {
  if (!spec.has_perturbed_guidance()) return 0;
  if (!spec.perturbed_guidance().has_interval()) return 1;
  const v1::PerturbedInterval& interval = spec.perturbed_guidance().interval();
  const double steps = StepsTaken(spec);
  if (steps < 1) return 1;
  const double first = interval.has_begin() ? std::floor(interval.begin() * steps) + 1 : 0;
  const double end = std::ceil((interval.has_end() ? interval.end() : 1) * steps);
  return std::max(end - first, 0.0) / steps;
}

}  // namespace

absl::Status ResolveGuidance(const v1::Model& model, const RequestLimits& limits, v1::ImageSpec& spec) {
  MIND_RETURN_IF_ERROR(ResolveInterval(model, spec));
  MIND_RETURN_IF_ERROR(ResolveProjected(model, spec));
  return ResolveScorer(model, limits, spec);
}

double RowsPerEvaluation(const v1::ImageSpec& spec, const v1::Model* model) {
  const bool both = model != nullptr && model->takes_picture_guidance() && spec.guidance() > 1 &&
                    spec.picture_guidance() >= 1;
  const double guiding = both ? 2 : HasSecondRow(spec, model) ? 1 : 0;  // beside the request's own
  return 1 + guiding * GuidedShare(spec) + PerturbedShare(spec) + ScorerRows(spec, model);
}

}  // namespace mind::server
