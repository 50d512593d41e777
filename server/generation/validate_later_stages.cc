#include "server/generation/validate_later_stages.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr char kPrior[] = "prior";

absl::Status CheckLaterStage(const std::string& field, const v1::ModelStage& allowed, double max_guidance,
                             const v1::LaterStage& stage) {
  if (stage.has_steps() && (stage.steps() < 1 || stage.steps() > allowed.max_steps())) {
    return InvalidField(field + ".steps",
                        absl::StrCat(stage.steps(), " given; it must be 1 to ", allowed.max_steps()));
  }
  if (stage.has_guidance() && allowed.fixed_guidance()) {
    return InvalidField(
        field + ".guidance",
        absl::StrCat("this model's ", allowed.name(), " takes none",
                     allowed.name() == kPrior ? "; what it is guided by is prior_guidance" : ""));
  }
  if (stage.has_guidance() &&
      !(stage.guidance() >= 0 && stage.guidance() <= max_guidance)) {  // NaN is neither
    return InvalidField(field + ".guidance",
                        absl::StrCat(stage.guidance(), " given; it must be 0 to ", max_guidance));
  }
  if (stage.noise_level() > 0 && allowed.max_noise_level() == 0) {
    return InvalidField(
        field + ".noise_level",
        absl::StrCat("this model's ", allowed.name().empty() ? "stage" : allowed.name(), " takes none"));
  }
  if (stage.has_noise_level() && stage.noise_level() > allowed.max_noise_level()) {
    return InvalidField(field + ".noise_level", absl::StrCat(stage.noise_level(), " given; it must be 0 to ",
                                                             allowed.max_noise_level()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckLaterStages(const v1::Model& model, double max_guidance, const v1::ImageSpec& spec) {
  if (spec.later_stages_size() > model.later_stages_size()) {
    return InvalidField("spec.later_stages", absl::StrCat(spec.later_stages_size(), " given; this model has ",
                                                          model.later_stages_size()));
  }
  for (int i = 0; i < spec.later_stages_size(); ++i) {
    const absl::Status error = CheckLaterStage(absl::StrCat("spec.later_stages[", i, "]"),
                                               model.later_stages(i), max_guidance, spec.later_stages(i));
    if (!error.ok()) return error;
  }
  return absl::OkStatus();
}

uint32_t LaterSteps(const v1::ImageSpec& spec, const v1::Model* model) {
  if (model == nullptr) return 0;
  uint32_t steps = model->later_steps();
  for (int i = 0; i < std::min(spec.later_stages_size(), model->later_stages_size()); ++i) {
    if (!spec.later_stages(i).has_steps()) continue;
    steps += spec.later_stages(i).steps();
    steps -= std::min(steps, model->later_stages(i).default_steps());
  }
  return steps;
}

}  // namespace mind::server
