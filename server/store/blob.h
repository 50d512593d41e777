// Bytes that are kept by what they are: pictures that requests bring, and large ones that were made.
#ifndef MIND_SERVER_STORE_BLOB_H_
#define MIND_SERVER_STORE_BLOB_H_

#include <memory>
#include <string>

#include "proto/support/digest.h"

namespace mind::server {

struct Blob {
  std::string hash;  // SHA-256 of the data, 32 bytes
  std::shared_ptr<const std::string> data;
};

// A picture outside the job store (ObjectStore). It belongs to one job: it goes with that, and whatever
// becomes of other jobs, or of who decided about them, it stays as long as that. So no key is ever given to
// two of different content.
struct StoredObject {
  std::string key;   // "jobs/JOB/…"
  std::string hash;  // SHA-256 of what is in it, 32 bytes
};

// Takes time in proportion to its size: not for the loop.
Blob MakeBlob(std::string data);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_BLOB_H_
