// Lists of jobs, a page at a time.
#ifndef MIND_SERVER_GENERATION_JOB_PAGES_H_
#define MIND_SERVER_GENERATION_JOB_PAGES_H_

#include "server/generation/generation.h"
#include "server/generation/service_state.h"

namespace mind::server {

// On the loop. See Generation::List. `state` must outlive the answer.
void ListPage(const ServiceState& state, const v1::ListJobsRequest& request, const Caller& caller,
              Generation::Answer<v1::ListJobsResponse> answer);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_JOB_PAGES_H_
