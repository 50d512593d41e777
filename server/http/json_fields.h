// The fields of a JSON object, or of a form, one after the other, each with its type and what is allowed.
#ifndef MIND_SERVER_HTTP_JSON_FIELDS_H_
#define MIND_SERVER_HTTP_JSON_FIELDS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace mind::server {

// Parses a request's body. INVALID_ARGUMENT: it is not JSON, or no object.
absl::StatusOr<nlohmann::json> ParseJsonObject(const std::string& body);

// A field that is absent or null is not given. The first field that is not as it must be is what status()
// says; later ones are then not given. Texts that hold a number or "true" count as such where `from_form`.
class JsonFields {
 public:
  // `object` must outlive it, and be an object.
  explicit JsonFields(const nlohmann::json& object, bool from_form = false)
      : object_(object), from_form_(from_form) {}

  std::optional<std::string> Text(const std::string& name);
  // One of these.
  std::optional<std::string> Choice(const std::string& name, const std::vector<std::string>& choices);
  std::optional<int64_t> Whole(const std::string& name, int64_t min, int64_t max);
  std::optional<double> Number(const std::string& name, double min, double max);
  std::optional<bool> Flag(const std::string& name);
  // An object or a list; one that stands in a form as JSON is read. Anything else is given as it is.
  std::optional<nlohmann::json> Structure(const std::string& name);
  // Null if it is not given.
  const nlohmann::json* Any(const std::string& name) const;

  // Says that a field is not as it must be.
  void Refuse(const std::string& name, const std::string& why);
  const absl::Status& status() const { return status_; }
  bool from_form() const { return from_form_; }

 private:
  const nlohmann::json* Find(const std::string& name) const;

  const nlohmann::json& object_;
  const bool from_form_;
  absl::Status status_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_JSON_FIELDS_H_
