#include "server/generation/class_number.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mind::server {

std::optional<uint32_t> ClassNumber(const v1::Model& model, uint32_t count, const std::string& given) {
  if (uint32_t number = 0; absl::SimpleAtoi(given, &number) && number < count) return number;
  if (count != model.class_count()) return std::nullopt;
  for (int i = 0; i < model.class_names_size(); ++i) {
    const std::string& names = model.class_names(i);
    // Several for one class stand side by side.
    if (names == given ||
        absl::StrContains(absl::StrCat(", ", names, ", "), absl::StrCat(", ", given, ", "))) {
      return static_cast<uint32_t>(i);
    }
  }
  return std::nullopt;
}

}  // namespace mind::server
