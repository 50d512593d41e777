#include "server/http/hmac.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace mind::server {

std::string HmacSha256(const std::string& secret, const std::string& text) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
  return {reinterpret_cast<const char*>(mac), size};
}

}  // namespace mind::server
