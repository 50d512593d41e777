// One word for how a job ended: in metrics, logs and errors alike.
#ifndef MIND_SERVER_GENERATION_OUTCOME_H_
#define MIND_SERVER_GENERATION_OUTCOME_H_

#include "mind/v1/job.pb.h"

namespace mind::server {

// REQUIRES: a final state.
inline const char* OutcomeName(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED   ? "succeeded"
         : state == v1::JOB_STATE_CANCELLED ? "cancelled"
                                            : "failed";
}

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_OUTCOME_H_
