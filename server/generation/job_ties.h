// Which jobs live only as long as a call wants them, and whose calls those are.
//
// GenerateImage ties its job to the call; calls that repeat its request_id hold it too, and the last to leave
// takes it along. A job of CreateJob is never tied. Calls do not leave by a crash, of this server or of a
// front that they came to: the job waits for a while for whoever comes back for it, and only then nobody
// wants it any more. A front counts as there while it watches the job.
//
// Plain state; all on the server's loop.
#ifndef MIND_SERVER_GENERATION_JOB_TIES_H_
#define MIND_SERVER_GENERATION_JOB_TIES_H_

#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/dispatch/due_times.h"

namespace mind::server {

// Fronts by name; this process is the one without.
class JobTies {
 public:
  // A new job, tied to one call of this front. Until that watches it is waited for until then; for ever,
  // where nothing else is said.
  void Tie(const std::string& id, const std::string& front = {}, absl::Time until = absl::InfiniteFuture());
  // A tied job whose calls a crash has ended.
  void Orphan(const std::string& id, absl::Time until);
  bool IsTied(const std::string& id) const { return ties_.count(id) != 0; }

  // These do nothing for a job that lives by itself.

  // One more call wants the job.
  void Hold(const std::string& id, const std::string& front = {}, absl::Time until = absl::InfiniteFuture());
  // The front begins to watch it, on behalf of so many tied calls among others.
  void Watch(const std::string& id, const std::string& front, int calls);
  // The front watches it no more; if its calls have not left, it is waited for until then.
  void Unwatch(const std::string& id, const std::string& front, absl::Time until);
  // A call leaves. True: it was the last that the job was tied to. It is no longer tied then.
  bool Leave(const std::string& id, const std::string& front = {});
  // From now on the job lives by itself; also: it has ended.
  void Untie(const std::string& id);
  // Somebody watches it who has no tied call: an orphan lives by itself from now on.
  void Adopt(const std::string& id);

  // Those that nobody has come back for in time. They are no longer tied.
  std::vector<std::string> TakeAbandoned(absl::Time now);

 private:
  struct Front {
    int calls = 0;
    int watches = 0;                            // from one connection to the next there may be two
    absl::Time until = absl::InfiniteFuture();  // while it does not watch
  };
  struct Ties {
    std::map<std::string, Front> fronts;
    absl::Time orphan_until = absl::InfinitePast();  // for calls of an earlier run

    bool wanted() const;
    // When somebody is waited for no more, next; never: while all are there.
    absl::Time NextDue() const;
  };

  std::map<std::string, Ties> ties_;
  DueTimes<absl::Time> due_;  // jobs by the next time at which somebody may be waited for no more
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_JOB_TIES_H_
