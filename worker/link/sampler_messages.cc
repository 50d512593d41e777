#include "worker/link/sampler_messages.h"

#include <nlohmann/json.hpp>

#include "worker/diffusion/error.h"

namespace mind {
namespace {

using diffusion::ParameterInfo;
using diffusion::ParameterValue;
using google::protobuf::Value;

v1::ParameterKind ToProto(ParameterInfo::Kind kind) {
  switch (kind) {
    case ParameterInfo::Kind::kFlag:
      return v1::PARAMETER_KIND_FLAG;
    case ParameterInfo::Kind::kInteger:
      return v1::PARAMETER_KIND_INTEGER;
    case ParameterInfo::Kind::kNumber:
      return v1::PARAMETER_KIND_NUMBER;
    case ParameterInfo::Kind::kChoice:
      return v1::PARAMETER_KIND_CHOICE;
    case ParameterInfo::Kind::kNumbers:
      return v1::PARAMETER_KIND_NUMBERS;
  }
  return v1::PARAMETER_KIND_UNSPECIFIED;
}

Value ToProto(const ParameterValue& value) {
  Value result;
  if (const bool* const flag = std::get_if<bool>(&value)) result.set_bool_value(*flag);
  if (const double* const number = std::get_if<double>(&value)) result.set_number_value(*number);
  if (const auto* const word = std::get_if<std::string>(&value)) result.set_string_value(*word);
  if (const auto* const numbers = std::get_if<std::vector<double>>(&value)) {
    auto* const list = result.mutable_list_value();
    for (const double number : *numbers) list->add_values()->set_number_value(number);
  }
  return result;
}

ParameterValue ToParameter(const std::string& name, const Value& value) {
  switch (value.kind_case()) {
    case Value::kBoolValue:
      return value.bool_value();
    case Value::kNumberValue:
      return value.number_value();
    case Value::kStringValue:
      return value.string_value();
    case Value::kListValue: {
      std::vector<double> numbers;
      for (const Value& entry : value.list_value().values()) numbers.push_back(entry.number_value());
      return numbers;
    }
    default:
      throw diffusion::RequestError("the sampler parameter \"" + name +
                                    "\" must be a number, a string, true, false or a list of numbers");
  }
}

}  // namespace

v1::Sampler ToProto(const diffusion::SamplerInfo& info) {
  v1::Sampler sampler;
  sampler.set_name(info.name);
  sampler.set_description(info.description);
  sampler.set_evaluations_per_step(info.evaluations_per_step);
  sampler.set_evaluations(info.evaluations);
  sampler.set_stochastic(info.stochastic);
  sampler.set_max_steps(static_cast<uint32_t>(info.max_steps));
  for (const std::string& alias : info.aliases) sampler.add_aliases(alias);
  for (const ParameterInfo& parameter : info.parameters) {
    v1::SamplerParameter* const added = sampler.add_parameters();
    added->set_name(parameter.name);
    added->set_description(parameter.description);
    added->set_kind(ToProto(parameter.kind));
    added->set_min(parameter.min);
    added->set_max(parameter.max);
    for (const std::string& choice : parameter.choices) added->add_choices(choice);
    *added->mutable_default_value() = ToProto(parameter.default_value);
    added->set_more_than_steps(static_cast<uint32_t>(parameter.more_than_steps));
    added->set_evaluations_per_step(parameter.evaluations_per_step);
  }
  return sampler;
}

diffusion::SamplerParameters ToParameters(const google::protobuf::Map<std::string, Value>& values) {
  diffusion::SamplerParameters parameters;
  for (const auto& [name, value] : values) parameters[name] = ToParameter(name, value);
  return parameters;
}

std::string ToJson(const google::protobuf::Map<std::string, Value>& values) {
  nlohmann::json object = nlohmann::json::object();
  for (const auto& [name, value] : ToParameters(values)) {
    std::visit([&, &name = name](const auto& held) { object[name] = held; }, value);
  }
  return object.empty() ? "" : object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace mind
