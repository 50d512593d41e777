#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/webhooks/webhook_deliverer.h"

namespace mind::server {
namespace {

constexpr size_t kMostSecrets = 2;
constexpr size_t kLeastBytes = 24, kMostBytes = 64;

}  // namespace

absl::StatusOr<std::vector<std::string>> ReadWebhookSecrets(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::InvalidArgumentError(absl::StrCat(path, ": cannot be read"));
  std::vector<std::string> secrets;
  // What a line holds is told to nobody.
  for (std::string line; std::getline(file, line);) {
    absl::string_view text = absl::StripAsciiWhitespace(line);
    if (text.empty()) continue;
    std::string& bytes = secrets.emplace_back();
    if (!absl::ConsumePrefix(&text, "whsec_") || !absl::Base64Unescape(text, &bytes) ||
        bytes.size() < kLeastBytes || bytes.size() > kMostBytes) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": secret ", secrets.size(),
                                                     " is not \"whsec_\" and ", kLeastBytes, " to ",
                                                     kMostBytes, " bytes in base64"));
    }
  }
  if (!secrets.empty() && secrets.size() <= kMostSecrets) return secrets;
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", secrets.size(),
                   " secrets given; it must hold one, or two while one takes the place of the other"));
}

}  // namespace mind::server
