#include "server/generation/labels.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

constexpr size_t kMaxLabels = 16;
constexpr size_t kMaxCharacters = 63;

bool IsName(const std::string& name) {
  return !name.empty() && name.size() <= kMaxCharacters &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.' || c == '/';
         });
}

// REQUIRES: UTF-8
size_t Characters(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

bool IsText(const std::string& text) {
  return IsValidUtf8(text) && Characters(text) <= kMaxCharacters &&
         std::none_of(text.begin(), text.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); });
}

}  // namespace

absl::Status CheckLabels(const std::string& field, const Labels& labels) {
  if (labels.size() > kMaxLabels) {
    return InvalidField(field, absl::StrCat(labels.size(), " given, at most ", kMaxLabels, " are allowed"));
  }
  for (const auto& [name, text] : labels) {
    if (!IsName(name)) {
      return InvalidField(field, absl::StrCat("the name \"", Printable(name), "\" given; it must be 1 to ",
                                              kMaxCharacters, " letters, digits, '-', '_', '.' and '/'"));
    }
    if (!IsText(text)) {
      return InvalidField(absl::StrCat(field, "[", name, "]"),
                          absl::StrCat("\"", Printable(text), "\" given; it must be at most ", kMaxCharacters,
                                       " characters, none of them control characters"));
    }
  }
  return absl::OkStatus();
}

}  // namespace mind::server
