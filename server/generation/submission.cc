#include "server/generation/submission.h"

#include <utility>

#include "server/generation/request_key.h"

namespace mind::server {

Submission PrepareSubmission(v1::JobRequest request) {
  std::string fingerprint = request.request_id().empty() ? std::string() : Fingerprint(request);
  std::vector<SourcePicture> pictures = TakePictures(*request.mutable_spec());
  return {std::move(request), std::move(pictures), std::move(fingerprint)};
}

}  // namespace mind::server
