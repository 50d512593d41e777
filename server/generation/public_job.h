// A job as the outside sees it.
#ifndef MIND_SERVER_GENERATION_PUBLIC_JOB_H_
#define MIND_SERVER_GENERATION_PUBLIC_JOB_H_

#include "mind/v1/job.pb.h"

namespace mind::server {

// Without the hashes that stand in the places of its pictures.
v1::Job PublicJob(v1::Job job);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_PUBLIC_JOB_H_
