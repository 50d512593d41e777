// A request as a face hands it in: what costs time in proportion to its size has been done on the face's own
// thread, so that it is not the loop's.
#ifndef MIND_SERVER_GENERATION_SUBMISSION_H_
#define MIND_SERVER_GENERATION_SUBMISSION_H_

#include <string>
#include <vector>

#include "mind/v1/generation.pb.h"
#include "server/store/source_pictures.h"

namespace mind::server {

struct Submission {
  v1::JobRequest request;               // with hashes in place of its pictures
  std::vector<SourcePicture> pictures;  // these
  std::string fingerprint;              // of the request as it came, if it has a request_id
};

// From any thread.
Submission PrepareSubmission(v1::JobRequest request);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_SUBMISSION_H_
