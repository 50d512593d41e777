// A request as a face hands it in: what costs time in proportion to its size has been done on the face's own
// thread, so that it is not the loop's.
#ifndef MIND_SERVER_GENERATION_SUBMISSION_H_
#define MIND_SERVER_GENERATION_SUBMISSION_H_

#include <string>

#include "mind/v1/generation.pb.h"

namespace mind::server {

struct Submission {
  v1::JobRequest request;
  std::string fingerprint;  // of the request, if it has a request_id
};

// From any thread.
Submission PrepareSubmission(v1::JobRequest request);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_SUBMISSION_H_
