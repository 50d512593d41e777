#include "server/scale/scale_target.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr double kMostSeconds = 86'400;

std::string Entry(const externalscaler::ScaledObjectRef& object, const char* name) {
  const auto found = object.scalermetadata().find(name);
  return found == object.scalermetadata().end() ? "" : found->second;
}

}  // namespace

absl::StatusOr<ScaleTarget> ParseScaleTarget(const externalscaler::ScaledObjectRef& object) {
  ScaleTarget target;
  target.model = Entry(object, "model");
  if (target.model.empty())
    return InvalidField("scalerMetadata.model", "must name the model whose work is meant");
  const std::string seconds = Entry(object, "targetSeconds");
  if (seconds.empty()) return target;
  if (!absl::SimpleAtod(seconds, &target.seconds) || !(target.seconds > 0) || target.seconds > kMostSeconds) {
    return InvalidField("scalerMetadata.targetSeconds",
                        absl::StrCat("\"", Printable(seconds), "\" is not a number above 0, up to ",
                                     static_cast<int>(kMostSeconds)));
  }
  return target;
}

std::string KeyOf(const externalscaler::ScaledObjectRef& object) {
  return Entry(object, "keyFromEnv");
}

Demand DemandOf(const std::string& model, const internal::v1::ListWorkResponse& work) {
  for (const internal::v1::ModelWork& each : work.models()) {
    if (each.model() != model) continue;
    return {.seconds = each.waiting_seconds() + each.running_seconds(),
            .active = each.waiting_jobs() + each.running_jobs() > 0};
  }
  return {};
}

}  // namespace mind::server
