// A call that goes on for long: whether its key still holds, looked at now and then.
#ifndef MIND_SERVER_TRUST_STANDING_CALL_H_
#define MIND_SERVER_TRUST_STANDING_CALL_H_

#include <chrono>
#include <string>
#include <utility>

#include "server/trust/gatekeeper.h"

namespace mind::server {

// Belongs to one thread at a time. `authority` must outlive it.
class StandingCall {
 public:
  // It has been admitted just now.
  StandingCall(const Authority& authority, Credentials credentials, std::string name)
      : authority_(authority), credentials_(std::move(credentials)), name_(std::move(name)) {}

  // Why it must end; cheap most times.
  absl::Status Check() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return absl::OkStatus();
    next_ = now + kPause;
    return authority_.StillAdmits(credentials_, name_);
  }

 private:
  // With the time that a change takes to be known here, well within the half minute that is promised.
  static constexpr std::chrono::seconds kPause{1};

  const Authority& authority_;
  const Credentials credentials_;
  const std::string name_;
  std::chrono::steady_clock::time_point next_ = std::chrono::steady_clock::now() + kPause;
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_STANDING_CALL_H_
