// What faces sign with: a secret that lives in the store, so that all who share it accept what any has
// signed.
#ifndef MIND_SERVER_GENERATION_SIGNING_SECRETS_H_
#define MIND_SERVER_GENERATION_SIGNING_SECRETS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "server/generation/generation.h"
#include "server/generation/service_state.h"
#include "server/store/job_store.h"

namespace mind::server {

// A new one is made when the newest is a day old and somebody asks; the one before stays good. None is given
// out before it is durable.
//
// All on the server's loop; not thread-safe.
class SigningSecrets {
 public:
  // `state` must outlive it.
  explicit SigningSecrets(ServiceState& state) : state_(state) {}

  // Reads what an earlier run has left. Waits for the disk: before anything is asked.
  absl::Status TakeUp();
  // Newest first.
  void Give(Generation::Answer<std::vector<std::string>> answer);

 private:
  ServiceState& state_;
  std::vector<StoredSecret> secrets_;  // newest first
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_SIGNING_SECRETS_H_
