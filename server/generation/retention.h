// How long what is over is known: ended jobs with their pictures, and what they told.
#ifndef MIND_SERVER_GENERATION_RETENTION_H_
#define MIND_SERVER_GENERATION_RETENTION_H_

#include <deque>
#include <set>
#include <string>

#include "absl/time/time.h"
#include "server/generation/service_state.h"
#include "server/store/job_store.h"

namespace mind::server {

// Once a minute, has the store forget the ended jobs whose time is over: of tenants with a time of their own
// by that, of all others by the server's. A few at a time, so that nobody waits for it.
//
// All on the server's loop; not thread-safe.
class Retention {
 public:
  // `state` must outlive it.
  explicit Retention(ServiceState& state) : state_(state) {}

  void OnTick();

 private:
  void BeginRound(absl::Time now);
  // Has the store do the first of the round, and so on to its end.
  void GoOn();

  ServiceState& state_;
  absl::Time next_ = absl::InfinitePast();
  std::deque<PurgeQuery> round_;  // still to be done
  // Of those without a time of their own, earlier ones are gone; what is there from before is kept for
  // others, and would be looked at again and again. Anew now and then: a clock may have been wrong.
  absl::Time gone_before_ = absl::InfinitePast();
  std::set<std::string> excepted_;  // when that was found
  absl::Time next_from_start_ = absl::InfinitePast();
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_RETENTION_H_
