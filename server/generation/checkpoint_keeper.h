// Has the newest states of pictures kept by the store, now and then, so that they survive the server that
// decides.
//
// A picture's state is written when so long has passed since it was written last, or since it first had one:
// pictures that are made within that time cost the store nothing. Of each picture only the newest counts; one
// write is under way at a time, of bounded size, so that a slow database gets fewer states and nothing piles
// up. One that fails is let go: the next state of its pictures comes soon.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_GENERATION_CHECKPOINT_KEEPER_H_
#define MIND_SERVER_GENERATION_CHECKPOINT_KEEPER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "mind/v1/worker.pb.h"
#include "server/dispatch/dispatcher.h"
#include "server/store/checkpoint_store.h"

namespace mind::server {

class CheckpointKeeper {
 public:
  struct Options {
    absl::Duration interval;  // infinite: nothing is written
    std::function<absl::Duration()> steady_clock;
    std::function<void(std::function<void()>)> post;  // to the loop
  };

  // `store` may be null: then nothing is kept. Both must outlive it.
  CheckpointKeeper(Options options, Dispatcher& dispatcher, CheckpointStore* store)
      : options_(std::move(options)), dispatcher_(dispatcher), store_(store) {}

  // Gives the dispatcher what an earlier run has kept of the jobs it has. Waits for the store.
  void TakeUp(const Moment& now);
  // The dispatcher may have a newer state of this picture.
  void Note(const v1::ImageRef& image);
  // The job has ended, for good.
  void OnEnded(const std::string& job_id);
  void OnTick();

 private:
  struct Kept {
    uint32_t step = 0;           // of the newest that has been given to the store
    absl::Duration may_be_next;  // when the next may be
    bool waits = false;          // in waiting_
  };
  using Due = std::tuple<absl::Duration, std::string, uint32_t>;  // when, job, picture

  void Write();
  void OnWritten(const absl::Status& status);

  const Options options_;
  Dispatcher& dispatcher_;
  CheckpointStore* const store_;
  std::map<std::string, std::map<uint32_t, Kept>> kept_;  // by job and picture
  std::set<Due> waiting_;                                 // pictures with news
  bool writing_ = false;
  bool failing_ = false;
  absl::Duration not_before_ = -absl::InfiniteDuration();  // after a failure
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_CHECKPOINT_KEEPER_H_
