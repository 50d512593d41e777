// A job as the outside sees it.
#ifndef MIND_SERVER_GENERATION_PUBLIC_JOB_H_
#define MIND_SERVER_GENERATION_PUBLIC_JOB_H_

#include "mind/v1/job.pb.h"

namespace mind::server {

// Without what only the worker needs: the pictures the request brought.
v1::Job PublicJob(const v1::Job& job);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_PUBLIC_JOB_H_
