#include "server/http/form_object.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

using nlohmann::json;

// "loras[][name]" is {"loras", "", "name"}, where nothing stands for an entry of a list. Nothing: it is not
// written so.
std::optional<std::vector<std::string>> StepsOf(const std::string& name) {
  size_t at = name.find('[');
  std::vector<std::string> steps = {name.substr(0, at)};
  while (at < name.size()) {
    const size_t end = name.find(']', at);
    if (name[at] != '[' || end == std::string::npos) return std::nullopt;
    steps.push_back(name.substr(at + 1, end - at - 1));
    at = end + 1;
  }
  if (steps[0].empty() || steps.size() > kMaxFormDepth) return std::nullopt;
  return steps;
}

// The entry of a list that a text is for whose name goes on with `next`, if it goes on.
json& EntryOf(json& list, const std::string* next) {
  const bool goes_on =
      !list.empty() && next != nullptr && list.back().is_object() && !list.back().contains(*next);
  if (!goes_on) list.push_back(nullptr);
  return list.back();
}

}  // namespace

absl::Status PutFormField(const std::string& name, std::string text, json& object) {
  const auto steps = StepsOf(name);
  if (!steps) {
    return InvalidField(
        Printable(name, 60),
        absl::StrCat("a name in a form is written \"hires[scale]\" or \"loras[][name]\", at most ",
                     kMaxFormDepth, " deep"));
  }
  json* at = &object;
  for (size_t i = 0; i < steps->size(); ++i) {
    const std::string& step = (*steps)[i];
    if (at->is_null()) *at = step.empty() ? json::array() : json::object();
    if (step.empty() ? !at->is_array() : !at->is_object())
      return InvalidField(Printable(name, 60), "the form's other fields say that this is something else");
    at = step.empty() ? &EntryOf(*at, i + 1 < steps->size() ? &(*steps)[i + 1] : nullptr) : &(*at)[step];
  }
  if (at->is_structured())
    return InvalidField(Printable(name, 60), "the form's other fields say that this is something else");
  *at = std::move(text);
  return absl::OkStatus();
}

}  // namespace mind::server
