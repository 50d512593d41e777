#include "server/trust/key_text.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace mind::server {
namespace {

constexpr std::string_view kPrefix = "mind_";
constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
constexpr size_t kId = 10, kSecret = 32, kCheck = 6;
constexpr size_t kLength = kPrefix.size() + kId + 1 + kSecret + kCheck;

void FillRandom(unsigned char* bytes, size_t size) {
  for (size_t filled = 0; filled < size;) {
    const ssize_t got = getrandom(bytes + filled, size - filled, 0);
    if (got < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "getrandom");
    filled += static_cast<size_t>(std::max<ssize_t>(got, 0));
  }
}

// Each of the 62 as likely as any other.
std::string RandomDigits(size_t count) {
  std::string digits;
  while (digits.size() < count) {
    unsigned char bytes[64];
    FillRandom(bytes, sizeof bytes);
    for (const unsigned char byte : bytes) {
      if (byte < 4 * kDigits.size() && digits.size() < count)
        digits.push_back(kDigits[byte % kDigits.size()]);
    }
  }
  return digits;
}

std::string CheckOf(std::string_view text) {
  boost::crc_32_type crc;
  crc.process_bytes(text.data(), text.size());
  uint32_t rest = crc.checksum();
  std::string check(kCheck, '0');
  for (auto digit = check.rbegin(); digit != check.rend(); ++digit) {
    *digit = kDigits[rest % kDigits.size()];
    rest /= kDigits.size();
  }
  return check;
}

bool AllDigits(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); });
}

}  // namespace

KeyText NewKeyText() {
  return {.id = RandomDigits(kId), .secret = RandomDigits(kSecret)};
}

std::string ToText(const KeyText& key) {
  const std::string text = absl::StrCat("mind_", key.id, "_", key.secret);
  return text + CheckOf(text);
}

std::optional<KeyText> ParseKeyText(std::string_view text) {
  if (text.size() != kLength || text.substr(0, kPrefix.size()) != kPrefix) return std::nullopt;
  const std::string_view id = text.substr(kPrefix.size(), kId);
  const std::string_view secret = text.substr(kPrefix.size() + kId + 1, kSecret);
  if (text[kPrefix.size() + kId] != '_' || !AllDigits(id) || !AllDigits(secret)) return std::nullopt;
  if (text.substr(kLength - kCheck) != CheckOf(text.substr(0, kLength - kCheck))) return std::nullopt;
  return KeyText{.id = std::string(id), .secret = std::string(secret)};
}

std::string HashOfSecret(std::string_view secret) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(secret.data()), secret.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

bool SameHash(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace mind::server
