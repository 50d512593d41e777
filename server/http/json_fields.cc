#include "server/http/json_fields.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr size_t kShown = 60;

std::string Shown(const nlohmann::json& value) {
  return Printable(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace), kShown);
}

}  // namespace

absl::StatusOr<nlohmann::json> ParseJsonObject(const std::string& body) {
  nlohmann::json value = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) return InvalidField("body", "the request's body is not JSON in UTF-8");
  if (!value.is_object()) return InvalidField("body", "the request's body is not a JSON object");
  return value;
}

const nlohmann::json* JsonFields::Find(const std::string& name) const {
  if (!status_.ok()) return nullptr;
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<nlohmann::json> JsonFields::Structure(const std::string& name) {
  const nlohmann::json* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (!from_form_ || !value->is_string()) return *value;
  nlohmann::json read = nlohmann::json::parse(value->get_ref<const std::string&>(), nullptr, false);
  return read.is_structured() ? std::move(read) : *value;
}

const nlohmann::json* JsonFields::Any(const std::string& name) const {
  return Find(name);
}

void JsonFields::Refuse(const std::string& name, const std::string& why) {
  if (status_.ok()) status_ = InvalidField(name, why);
}

std::optional<std::string> JsonFields::Text(const std::string& name) {
  const nlohmann::json* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  Refuse(name, absl::StrCat(name, " must be a text, given: ", Shown(*value)));
  return std::nullopt;
}

std::optional<std::string> JsonFields::Choice(const std::string& name,
                                              const std::vector<std::string>& choices) {
  const std::optional<std::string> text = Text(name);
  if (!text || std::find(choices.begin(), choices.end(), *text) != choices.end()) return text;
  Refuse(name, absl::StrCat(name, " must be one of ", absl::StrJoin(choices, ", "),
                            "; given: ", Printable(*text, kShown)));
  return std::nullopt;
}

std::optional<double> JsonFields::Number(const std::string& name, double min, double max) {
  const nlohmann::json* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  double number = NAN;
  if (value->is_number()) number = value->get<double>();
  if (value->is_string() && from_form_ && !absl::SimpleAtod(value->get<std::string>(), &number)) number = NAN;
  if (number >= min && number <= max) return number;
  Refuse(name, absl::StrCat(name, " must be a number, ", min, " to ", max, "; given: ", Shown(*value)));
  return std::nullopt;
}

std::optional<int64_t> JsonFields::Whole(const std::string& name, int64_t min, int64_t max) {
  const nlohmann::json* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  std::optional<int64_t> whole;
  int64_t parsed = 0;
  if (value->is_number_unsigned()) {
    if (value->get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
      whole = value->get<int64_t>();
  } else if (value->is_number_integer()) {
    whole = value->get<int64_t>();
  } else if (value->is_number_float()) {
    const double number = value->get<double>();
    if (std::trunc(number) == number && std::abs(number) < 9e15) whole = static_cast<int64_t>(number);
  } else if (value->is_string() && from_form_ && absl::SimpleAtoi(value->get<std::string>(), &parsed)) {
    whole = parsed;
  }
  if (whole && *whole >= min && *whole <= max) return whole;
  Refuse(name, absl::StrCat(name, " must be a whole number, ", min, " to ", max, "; given: ", Shown(*value)));
  return std::nullopt;
}

std::optional<bool> JsonFields::Flag(const std::string& name) {
  const nlohmann::json* const value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  bool flag = false;
  if (value->is_string() && from_form_ && absl::SimpleAtob(value->get<std::string>(), &flag)) return flag;
  Refuse(name, absl::StrCat(name, " must be true or false, given: ", Shown(*value)));
  return std::nullopt;
}

}  // namespace mind::server
