#include "server/generation/resolve_sampler.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/errors.h"
#include "server/generation/nearest_names.h"

namespace mind::server {
namespace {

using google::protobuf::Value;

const v1::Sampler* FindSampler(const v1::Model& model, const std::string& name) {
  for (const v1::Sampler& sampler : model.samplers()) {
    if (absl::EqualsIgnoreCase(sampler.name(), name)) return &sampler;
    for (const std::string& alias : sampler.aliases()) {
      if (absl::EqualsIgnoreCase(alias, name)) return &sampler;
    }
  }
  return nullptr;
}

const v1::SamplerParameter* FindParameter(const v1::Sampler& sampler, const std::string& name) {
  for (const v1::SamplerParameter& parameter : sampler.parameters()) {
    if (parameter.name() == name) return &parameter;
  }
  return nullptr;
}

bool InRange(const v1::SamplerParameter& parameter, const Value& value) {
  return value.kind_case() == Value::kNumberValue && value.number_value() >= parameter.min() &&
         value.number_value() <= parameter.max();  // NaN fails this too
}

bool Fits(const v1::SamplerParameter& parameter, const Value& value) {
  switch (parameter.kind()) {
    case v1::PARAMETER_KIND_FLAG:
      return value.kind_case() == Value::kBoolValue;
    case v1::PARAMETER_KIND_INTEGER:
      return InRange(parameter, value) && value.number_value() == std::floor(value.number_value());
    case v1::PARAMETER_KIND_NUMBER:
      return InRange(parameter, value);
    case v1::PARAMETER_KIND_CHOICE:
      return value.kind_case() == Value::kStringValue &&
             std::find(parameter.choices().begin(), parameter.choices().end(), value.string_value()) !=
                 parameter.choices().end();
    case v1::PARAMETER_KIND_NUMBERS: {
      const auto& values = value.list_value().values();
      if (value.kind_case() != Value::kListValue) return false;
      if (values.size() <= static_cast<int>(parameter.more_than_steps())) return false;
      for (int i = 0; i < values.size(); ++i) {
        if (!InRange(parameter, values[i])) return false;
        if (i > 0 && values[i].number_value() >= values[i - 1].number_value()) return false;
      }
      return true;
    }
    default:
      return false;
  }
}

std::string AllowedValues(const v1::SamplerParameter& parameter) {
  const std::string range = absl::StrCat("from ", parameter.min(), " to ", parameter.max());
  switch (parameter.kind()) {
    case v1::PARAMETER_KIND_FLAG:
      return "true or false";
    case v1::PARAMETER_KIND_INTEGER:
      return absl::StrCat("a whole number ", range);
    case v1::PARAMETER_KIND_NUMBER:
      return absl::StrCat("a number ", range);
    case v1::PARAMETER_KIND_CHOICE:
      return absl::StrCat("one of ", absl::StrJoin(parameter.choices(), ", "));
    case v1::PARAMETER_KIND_NUMBERS:
      return absl::StrCat("a falling list of at least ", parameter.more_than_steps() + 1, " numbers ", range);
    default:
      return "of a type this server does not know";
  }
}

std::string ShownValue(const Value& value) {
  switch (value.kind_case()) {
    case Value::kNumberValue:
      return absl::StrCat(value.number_value());
    case Value::kStringValue:
      return absl::StrCat("\"", Printable(value.string_value()), "\"");
    case Value::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case Value::kListValue:
      return absl::StrCat("a list of ", value.list_value().values_size());
    case Value::kStructValue:
      return "an object";
    default:
      return "null";
  }
}

// Checks the parameters; `listed` is how many steps a list among them makes, 0 where there is none.
absl::Status CheckParameters(const v1::Sampler& sampler, const v1::ImageSpec& spec, uint32_t& listed) {
  for (const auto& [name, value] : spec.sampler_parameters()) {
    const v1::SamplerParameter* const parameter = FindParameter(sampler, name);
    const std::string field = absl::StrCat("spec.sampler_parameters[", Printable(name), "]");
    if (parameter == nullptr) {
      std::vector<std::string> known;
      for (const v1::SamplerParameter& one : sampler.parameters()) known.push_back(one.name());
      return InvalidField(field,
                          absl::StrCat("the sampler \"", sampler.name(),
                                       "\" has no such parameter; it has: ", NearestNames(name, known)));
    }
    if (!Fits(*parameter, value)) {
      return InvalidField(field,
                          absl::StrCat(ShownValue(value), " given; it must be ", AllowedValues(*parameter)));
    }
    if (parameter->kind() != v1::PARAMETER_KIND_NUMBERS) continue;
    const uint32_t steps =
        static_cast<uint32_t>(value.list_value().values_size()) - parameter->more_than_steps();
    if (listed != 0 && listed != steps)
      return InvalidField(field, "two lists that make different step counts");
    listed = steps;
  }
  return absl::OkStatus();
}

// Parameters may space the steps otherwise; then the worker knows.
bool IsBounded(const v1::Sampler& sampler, const v1::ImageSpec& spec) {
  return sampler.max_steps() > 0 && spec.sampler_parameters().empty();
}

}  // namespace

double StepsTaken(const v1::ImageSpec& spec) {
  return !spec.has_strength() ? spec.steps() : std::floor(spec.strength() * spec.steps());
}

absl::Status ResolveSampler(const v1::Model& model, v1::ImageSpec& spec) {
  if (!IsValidUtf8(spec.sampler())) return InvalidField("spec.sampler", "not valid UTF-8");
  const v1::Sampler* const sampler =
      FindSampler(model, spec.sampler().empty() ? model.default_sampler() : spec.sampler());
  if (sampler == nullptr) {
    std::vector<std::string> known;
    for (const v1::Sampler& one : model.samplers()) known.push_back(one.name());
    return InvalidField("spec.sampler",
                        absl::StrCat("\"", Printable(spec.sampler()),
                                     "\" is not known; known: ", NearestNames(spec.sampler(), known)));
  }
  spec.set_sampler(sampler->name());
  uint32_t listed = 0;
  if (absl::Status error = CheckParameters(*sampler, spec, listed); !error.ok()) return error;

  if (!spec.has_steps()) spec.set_steps(listed > 0 ? listed : model.default_steps());
  const uint32_t most = MostSteps(model, spec);
  if (spec.steps() < 1 || spec.steps() > most) {
    const bool bounded = IsBounded(*sampler, spec);
    return InvalidField("spec.steps", absl::StrCat(spec.steps(), " given; it must be 1 to ", most,
                                                   bounded ? absl::StrCat(" with ", sampler->name()) : ""));
  }
  if (listed > 0 && spec.steps() != listed) {
    return InvalidField("spec.steps", absl::StrCat(spec.steps(),
                                                   " given, but the list among the sampler's "
                                                   "parameters makes ",
                                                   listed, "; leave steps unset"));
  }
  return absl::OkStatus();
}

uint32_t MostSteps(const v1::Model& model, const v1::ImageSpec& spec) {
  const v1::Sampler* const sampler = FindSampler(model, spec.sampler());
  const bool bounded = sampler != nullptr && IsBounded(*sampler, spec);
  return bounded ? std::min(sampler->max_steps(), model.max_steps()) : model.max_steps();
}

double EvaluationsOfSteps(double steps, const v1::ImageSpec& spec, const v1::Model* model) {
  const v1::Sampler* const sampler = model != nullptr ? FindSampler(*model, spec.sampler()) : nullptr;
  if (sampler == nullptr) return steps;
  if (sampler->evaluations_per_step() == 0) return sampler->evaluations();
  double per_step = sampler->evaluations_per_step();
  for (const auto& [name, value] : spec.sampler_parameters()) {
    const v1::SamplerParameter* const parameter = FindParameter(*sampler, name);
    if (parameter == nullptr) continue;
    per_step += parameter->evaluations_per_step() *
                (value.number_value() - parameter->default_value().number_value());
  }
  return steps * per_step;
}

double EvaluationsOfPicture(const v1::ImageSpec& spec, const v1::Model* model) {
  return EvaluationsOfSteps(StepsTaken(spec), spec, model);
}

}  // namespace mind::server
