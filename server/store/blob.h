// Bytes that are kept by what they are: pictures that requests bring, and large ones that were made.
#ifndef MIND_SERVER_STORE_BLOB_H_
#define MIND_SERVER_STORE_BLOB_H_

#include <memory>
#include <string>
#include <string_view>

namespace mind::server {

struct Blob {
  std::string hash;  // SHA-256 of the data, 32 bytes
  std::shared_ptr<const std::string> data;
};

// 32 bytes.
std::string Sha256(std::string_view bytes);

// Takes time in proportion to its size: not for the loop.
Blob MakeBlob(std::string data);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_BLOB_H_
