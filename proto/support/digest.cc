#include "proto/support/digest.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace mind {
namespace {

std::string Digest(const EVP_MD* kind, std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, kind, nullptr);
  return {reinterpret_cast<const char*>(digest), size};
}

}  // namespace

std::string Sha256(std::string_view bytes) {
  return Digest(EVP_sha256(), bytes);
}

std::string Md5(std::string_view bytes) {
  return Digest(EVP_md5(), bytes);
}

std::string HmacSha256(const std::string& secret, const std::string& text) {
  unsigned char mac[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
  return {reinterpret_cast<const char*>(mac), size};
}

}  // namespace mind
