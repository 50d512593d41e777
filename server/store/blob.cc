#include "server/store/blob.h"

#include <utility>

namespace mind::server {

Blob MakeBlob(std::string data) {
  std::string hash = Sha256(data);
  return {std::move(hash), std::make_shared<const std::string>(std::move(data))};
}

}  // namespace mind::server
