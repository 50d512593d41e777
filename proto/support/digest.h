// What bytes are known by, and who has written something, for those who share a secret.
#ifndef MIND_PROTO_SUPPORT_DIGEST_H_
#define MIND_PROTO_SUPPORT_DIGEST_H_

#include <string>
#include <string_view>

namespace mind {

// 32 bytes.
std::string Sha256(std::string_view bytes);
// 16 bytes. Against accidents only.
std::string Md5(std::string_view bytes);
// 32 bytes.
std::string HmacSha256(const std::string& secret, const std::string& text);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_DIGEST_H_
