// States of pictures that are being made, as far as a store keeps them: so that a picture goes on where it
// was when its worker and the server that decides die together.
//
// They are worth some work, and no more: what is lost is made again. So nobody waits for them, they are part
// of no commit, and a crash of the database may take them all.
#ifndef MIND_SERVER_STORE_CHECKPOINT_STORE_H_
#define MIND_SERVER_STORE_CHECKPOINT_STORE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace mind::server {

struct StoredCheckpoint {
  std::string job_id;
  uint32_t image_index = 0;
  uint32_t attempt = 0;  // the job's newest when it was written
  uint32_t step = 0;
  std::string revision;  // of the weights it was made with
  std::shared_ptr<const std::string> data;
};

// Called from one thread; callbacks come from a thread of the store's own, one call after the other. Errors:
// those of JobStore, and nothing is to be done about them.
class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;

  // All or none of these, each in the place of the one before of its picture. Passed over: those of jobs that
  // are not there, or have ended, and all of them once another server decides.
  virtual void Save(std::vector<StoredCheckpoint> checkpoints, std::function<void(absl::Status)> done) = 0;
  // What there is of these jobs is of no more use.
  virtual void Forget(std::vector<std::string> job_ids) = 0;

  // At the start: gives what there is of jobs that have not ended, of a job the newest attempts first;
  // forgets the rest. Waits for the database.
  virtual absl::Status ForEach(const std::function<void(StoredCheckpoint)>& take) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_CHECKPOINT_STORE_H_
