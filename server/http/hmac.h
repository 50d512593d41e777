// HMAC-SHA256: who has written something, for those who share a secret.
#ifndef MIND_SERVER_HTTP_HMAC_H_
#define MIND_SERVER_HTTP_HMAC_H_

#include <string>

namespace mind::server {

// 32 bytes.
std::string HmacSha256(const std::string& secret, const std::string& text);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_HMAC_H_
