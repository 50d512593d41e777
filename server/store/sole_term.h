// The term of a server that is alone with its store: it does not share, and does not hand over.
#ifndef MIND_SERVER_STORE_SOLE_TERM_H_
#define MIND_SERVER_STORE_SOLE_TERM_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/store/term_store.h"

namespace mind::server {

// A thread of its own renews it.
class SoleTerm {
 public:
  struct Options {
    // A holder that does not renew for so long is gone.
    absl::Duration patience = absl::Seconds(5);
    absl::Duration beat = absl::Seconds(1);
    // Called once, from that thread, when somebody else has it.
    std::function<void()> lost;
  };

  // Waits until the one before is gone. FAILED_PRECONDITION: it is not. `terms` must outlive it.
  static absl::StatusOr<std::unique_ptr<SoleTerm>> Take(TermStore& terms, Options options);
  // Leaves it to whoever comes next.
  ~SoleTerm();

  uint64_t number() const { return number_; }
  const std::string& holder() const { return holder_; }

 private:
  SoleTerm(TermStore& terms, Options options);
  absl::Status TakeWhenFree();
  void Renew();

  TermStore& terms_;
  const Options options_;
  const std::string holder_;
  uint64_t number_ = 0;
  absl::Notification closing_;
  std::thread renewing_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_SOLE_TERM_H_
