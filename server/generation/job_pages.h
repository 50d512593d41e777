// Lists of jobs, a page at a time.
#ifndef MIND_SERVER_GENERATION_JOB_PAGES_H_
#define MIND_SERVER_GENERATION_JOB_PAGES_H_

#include <functional>
#include <string>
#include <vector>

#include "server/generation/generation.h"
#include "server/store/job_reader.h"

namespace mind::server {

// Where the jobs come from. All on the loop.
struct JobSource {
  // As JobReader, but answered on the loop.
  std::function<void(const JobQuery& query, StoreDone<std::vector<StoredJob>> done)> list;
  // The job as it is now, if that may be newer than what the store has; else null.
  std::function<const v1::Job*(const std::string& id)> now = [](const std::string&) { return nullptr; };
  // Whether it is there no more, whatever the store has.
  std::function<bool(const std::string& id)> gone = [](const std::string&) { return false; };
};

// See Generation::List. What `source` holds on to must outlive the answer.
void ListPage(JobSource source, const v1::ListJobsRequest& request, const Caller& caller,
              Generation::Answer<v1::ListJobsResponse> answer);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_JOB_PAGES_H_
