// The names of jobs.
#ifndef MIND_SERVER_GENERATION_JOB_ID_H_
#define MIND_SERVER_GENERATION_JOB_ID_H_

#include <string>

namespace mind::server {

// Not to be guessed: whoever knows an id of their tenant's can watch the job.
std::string NewJobId();

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_JOB_ID_H_
