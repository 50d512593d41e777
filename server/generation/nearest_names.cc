#include "server/generation/nearest_names.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr size_t kShown = 5;
constexpr size_t kShownBytes = 64;  // of a name

// Insertions, deletions and replacements that make one of the other.
size_t Distance(const std::string& from, const std::string& to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < from.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < to.size(); ++j) {
      const size_t replaced = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = std::exchange(row[j + 1], std::min({replaced, row[j] + 1, row[j + 1] + 1}));
    }
  }
  return row.back();
}

}  // namespace

std::string NearestNames(const std::string& given, const std::vector<std::string>& names) {
  if (names.empty()) return "none";
  std::vector<std::pair<size_t, std::string>> near;
  const bool all = names.size() <= kShown;
  const std::string wanted = absl::AsciiStrToLower(given.substr(0, kShownBytes));
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string name = names[i].substr(0, kShownBytes);
    near.emplace_back(all ? i : Distance(wanted, absl::AsciiStrToLower(name)), names[i]);
  }
  std::stable_sort(near.begin(), near.end(),
                   [](const auto& one, const auto& other) { return one.first < other.first; });
  near.resize(std::min(near.size(), kShown));
  std::string text = absl::StrJoin(near, ", ", [](std::string* out, const auto& entry) {
    out->append(Printable(entry.second, kShownBytes));
  });
  if (!all) absl::StrAppend(&text, " and ", names.size() - kShown, " more");
  return text;
}

}  // namespace mind::server
