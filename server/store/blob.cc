#include "server/store/blob.h"

#include <openssl/sha.h>

#include <utility>

namespace mind::server {

std::string Sha256(std::string_view bytes) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

Blob MakeBlob(std::string data) {
  std::string hash = Sha256(data);
  return {std::move(hash), std::make_shared<const std::string>(std::move(data))};
}

}  // namespace mind::server
