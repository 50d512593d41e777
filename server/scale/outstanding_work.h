// How much work there is, as whoever leads has it; and as it was known last, while nobody answers.
//
// Scalers of all servers have to give the same answer, at once, and through a change of leader. So the leader
// is asked, and who asks here waits for it only a little: then what was known last counts, as long as that is
// not old.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_SCALE_OUTSTANDING_WORK_H_
#define MIND_SERVER_SCALE_OUTSTANDING_WORK_H_

#include <deque>
#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/dispatch/moment.h"
#include "server/generation/generation.h"

namespace mind::server {

class OutstandingWork {
 public:
  struct Options {
    std::function<absl::Duration()> steady_clock = SteadyNow;
    // How long somebody waits for the leader before what was known last counts.
    absl::Duration patience = absl::Seconds(1);
    // How long that counts.
    absl::Duration memory = absl::Minutes(2);
  };
  using Known = std::shared_ptr<const internal::v1::ListWorkResponse>;
  using Answer = std::function<void(const absl::StatusOr<Known>&)>;

  // `generation` must outlive it.
  OutstandingWork(Options options, Generation& generation)
      : options_(std::move(options)), generation_(generation) {}

  // UNAVAILABLE: nothing is known, or nothing of late.
  void Ask(Answer answer);
  void OnTick();

 private:
  struct Waiting {
    absl::Duration give_up;
    Answer answer;
  };
  void OnAnswer(absl::StatusOr<internal::v1::ListWorkResponse> work);
  absl::StatusOr<Known> Last() const;

  const Options options_;
  Generation& generation_;
  std::deque<Waiting> waiting_;  // the first are the first to give up
  bool asking_ = false;
  Known last_;  // null: nothing is known
  absl::Duration heard_;
  // Lives as long as this: an answer may come later.
  const std::shared_ptr<const void> here_ = std::make_shared<const char>();
};

}  // namespace mind::server

#endif  // MIND_SERVER_SCALE_OUTSTANDING_WORK_H_
