// Which jobs live only as long as a call wants them, and how many calls that are.
//
// GenerateImage ties its job to the call; calls that repeat its request_id hold it too, and the last to leave
// takes it along. A job of CreateJob is never tied. When a crash of the server has ended a tied job's calls,
// it is an orphan for a while: whoever asks for it in that time takes it up, else nobody wants it any more.
//
// Plain state; all on the server's loop.
#ifndef MIND_SERVER_GENERATION_JOB_TIES_H_
#define MIND_SERVER_GENERATION_JOB_TIES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace mind::server {

class JobTies {
 public:
  // A new job, tied to one call.
  void Tie(const std::string& id) { ties_[id] = {.calls = 1}; }
  // A tied job whose calls a crash has ended.
  void Orphan(const std::string& id, absl::Time until) { ties_[id] = {.until = until}; }
  bool IsTied(const std::string& id) const { return ties_.count(id) != 0; }

  // One more call wants the job. Nothing for a job that lives by itself.
  void Hold(const std::string& id);
  // A call leaves. True: it was the last that the job was tied to.
  bool Leave(const std::string& id);
  // From now on the job lives by itself; also: it has ended.
  void Untie(const std::string& id) { ties_.erase(id); }
  // A watcher has come: an orphan lives by itself from now on.
  void Adopt(const std::string& id);

  // Orphans whose time is over. They are no longer tied.
  std::vector<std::string> TakeAbandoned(absl::Time now);

 private:
  struct Ties {
    int calls = 0;                              // 0: an orphan
    absl::Time until = absl::InfiniteFuture();  // while an orphan
  };
  std::map<std::string, Ties> ties_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_JOB_TIES_H_
