// A key as its bearer writes it: mind_<id>_<secret><check>.
//
// The id names the key and may be seen by anybody. The secret is 32 letters and digits, 190 random bits, so
// that its plain SHA-256 can be kept: nobody finds the secret to a hash by trying. The check is a CRC-32 of
// what stands before it, in base 62: a mistyped key is told from an unknown one without looking anything up,
// and those who search texts for keys that got out find ours without errors.
#ifndef MIND_SERVER_TRUST_KEY_TEXT_H_
#define MIND_SERVER_TRUST_KEY_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

namespace mind::server {

struct KeyText {
  std::string id;      // 10 letters and digits
  std::string secret;  // 32
};

// A new one, out of the kernel's randomness.
KeyText NewKeyText();
std::string ToText(const KeyText& key);
// None: that is no key, or a mistyped one.
std::optional<KeyText> ParseKeyText(std::string_view text);

// SHA-256, 32 bytes.
std::string HashOfSecret(std::string_view secret);
// Takes the same time whatever differs.
bool SameHash(std::string_view one, std::string_view other);

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_KEY_TEXT_H_
