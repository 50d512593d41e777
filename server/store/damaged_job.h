// Jobs whose rows cannot be read: they have ended as DATA_LOSS, so that they are in nobody's way.
#ifndef MIND_SERVER_STORE_DAMAGED_JOB_H_
#define MIND_SERVER_STORE_DAMAGED_JOB_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "mind/v1/job.pb.h"
#include "server/store/job_reader.h"

namespace mind::server {

struct DamagedRow {
  uint64_t number = 0;
  std::string id, tenant;
};

// Who reads such a row gives it on to be set aside, and answers as if it already were. From any thread.
using SetAside = std::function<void(const DamagedRow&)>;

// What it is to the outside.
v1::Job DamagedJob(const DamagedRow& row);
// The number of the event that tells of its end: it comes after everything else, see JobFeeds.
uint64_t DamagedEndSequence(uint64_t epoch);

// What a row says of its job: `stored` holds all but the job, which is in `bytes`.
StoredJob ParseStoredJob(StoredJob stored, std::string_view bytes, const DamagedRow& row, uint64_t epoch,
                         const SetAside& set_aside);

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_DAMAGED_JOB_H_
