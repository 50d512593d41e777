// States of pictures in PostgreSQL: a table that is not logged, written over a connection of its own, so that
// no commit waits for it.
//
// There is no fence before what is written here, as whoever is stopped in the middle would hold it. A server
// whose term is over writes nothing that it begins after that; what it had begun before is a state like any
// other, at most an older one.
#ifndef MIND_SERVER_STORE_POSTGRES_CHECKPOINTS_H_
#define MIND_SERVER_STORE_POSTGRES_CHECKPOINTS_H_

#include <functional>
#include <string>
#include <vector>

#include "server/store/checkpoint_store.h"
#include "server/store/postgres_connection.h"
#include "server/store/task_thread.h"

namespace mind::server {

class PostgresCheckpoints : public CheckpointStore {
 public:
  PostgresCheckpoints(const std::string& url, uint64_t term)
      : term_(term), connection_(url, "mind-server checkpoints") {}
  // Does all it was asked for before, unless it has been given up.
  ~PostgresCheckpoints() override = default;

  void Save(std::vector<StoredCheckpoint> checkpoints, std::function<void(absl::Status)> done) override;
  void Forget(std::vector<std::string> job_ids) override;
  absl::Status ForEach(const std::function<void(StoredCheckpoint)>& take) override;

  // See PostgresConnection. Thread-safe.
  void GiveUp() { connection_.GiveUp(); }

 private:
  absl::Status Write(const std::vector<StoredCheckpoint>& checkpoints);
  absl::Status Read(const std::function<void(StoredCheckpoint)>& take);

  const uint64_t term_;
  PostgresConnection connection_;  // thread_'s
  TaskThread thread_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_CHECKPOINTS_H_
