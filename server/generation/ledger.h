// What the server has decided and the store has to hold: gathered into batches, written one after the other,
// and with each batch what must not leave the server before it is durable.
//
// What is decided in one turn of the loop is one batch; while one is being written the next fills. A batch
// that cannot be written stays first and is tried again as it is, with growing pauses, so that nothing
// overtakes anything: for ever where the store is away, a few times where it refuses. Until it is written
// nothing new may be promised to anyone (reliable()).
//
// A job's end counts when it is written, and not before: until then the outside sees the job as it was, and
// nobody is told that it has ended. So nothing that was said is taken back by a restart.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_GENERATION_LEDGER_H_
#define MIND_SERVER_GENERATION_LEDGER_H_

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/job.pb.h"
#include "server/store/job_store.h"

namespace mind::server {

// Has something done on the loop, after what it is doing now. From any thread.
using Post = std::function<void(std::function<void()>)>;

class Ledger {
 public:
  struct Options {
    // A batch takes no more beyond this: what waits for it shall not wait for much else.
    size_t batch_bytes = 8 << 20;
    // Beyond this much that is not written yet, no more results are to be taken (WhenRoom).
    size_t held_bytes = 256 << 20;
    absl::Duration first_retry = absl::Milliseconds(100);
    absl::Duration longest_retry = absl::Seconds(1);
    std::function<absl::Duration()> steady_clock;  // REQUIRES: set
    // Run when the store belongs to somebody else from now on: nothing is tried again.
    std::function<void()> term_over = [] {};
    // A batch that fails so often in a row, and not because the store is away, never will be written.
    int tries = 5;
    // Run then: nothing is tried again, and what waits for it waits for ever.
    std::function<void(const absl::Status& why)> broken = [](const absl::Status&) {};
  };

  // `store` must outlive it.
  Ledger(Options options, JobStore& store, Post post);

  void Write(StoreWrite write);
  // Run when all that has been written so far is durable, in the order they were given; at once if it is.
  void WhenDurable(std::function<void()> then);
  // The same for who waits for an answer: it learns of a failure as well, of its own batch or of one before,
  // and is then not called again.
  void Answer(std::function<void(const absl::Status&)> answer);
  // Tells all who wait for an answer this instead.
  void Dismiss(const absl::Status& status);

  // A job that has ended, and the number of the event that tells of it. `told` is run when it is durable.
  void End(const v1::Job& job, uint64_t sequence, std::function<void()> told);
  // A job whose end is not durable yet, as the outside sees it: not ended. Null for others.
  const v1::Job* FindEnding(const std::string& id) const;
  // A job that nobody was promised: it is to leave no trace.
  void Forget(const std::string& id);
  bool IsForgotten(const std::string& id) const { return forgotten_.count(id) != 0; }

  // Run as soon as more may be taken that has to be held; at once if it may.
  void WhenRoom(std::function<void()> then);
  bool HasRoom() const { return bytes_ < options_.held_bytes; }

  // Tries again what failed, when its time has come.
  void OnTick();

  // Whether writing works. If not, Unavailable() is what to tell who asks for something that has to be
  // written.
  bool reliable() const { return failure_.ok(); }
  absl::Status Unavailable() const;
  // Run whenever reliable() has changed.
  void OnChange(std::function<void()> changed) { changed_ = std::move(changed); }
  // Whether there is nothing to write.
  bool settled() const { return batches_.empty(); }

 private:
  struct Held {
    std::function<void(const absl::Status&)> run;
    bool answer = false;  // it is to be told of failures
  };
  struct Batch {
    std::shared_ptr<StoreBatch> writes = std::make_shared<StoreBatch>();
    size_t bytes = 0;
    bool begun = false;  // the store has or had it: it stays as it is
    std::vector<Held> held;
  };

  // Begins to write the first batch at the end of this turn, if none is being written.
  void BeginSoon();
  void Begin();
  void Written(const absl::Status& status);
  void Succeed();
  void Fail(const absl::Status& status);

  const Options options_;
  JobStore& store_;
  const Post post_;
  std::deque<Batch> batches_;  // first to be written first
  size_t bytes_ = 0;           // of all of them
  bool beginning_ = false;     // BeginSoon has posted
  bool writing_ = false;       // the store has the first
  absl::Status failure_;
  int refusals_ = 0;     // in a row, of the first batch
  bool broken_ = false;  // it never will be written
  absl::Duration retry_pause_;
  absl::Duration retry_at_;
  std::map<std::string, v1::Job> endings_;  // as the outside sees them
  std::set<std::string> forgotten_;         // not durably yet
  std::vector<std::function<void()>> waiting_for_room_;
  std::function<void()> changed_ = [] {};
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_LEDGER_H_
