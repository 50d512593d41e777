#include "server/generation/job_id.h"

#include <sys/random.h>

#include "absl/random/random.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mind::server {

std::string NewJobId() {
  char bytes[12];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    absl::BitGen random;
    for (char& byte : bytes) byte = static_cast<char>(absl::Uniform<uint8_t>(random));
  }
  return absl::StrCat("job-", absl::BytesToHexString({bytes, sizeof bytes}));
}

}  // namespace mind::server
