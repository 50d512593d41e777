// What models cost, over restarts and changes of the server that decides: written now and then, and taken up
// where the model still has the weights that were measured.
//
// All on the server's loop; not thread-safe.
#ifndef MIND_SERVER_GENERATION_KEPT_PRICES_H_
#define MIND_SERVER_GENERATION_KEPT_PRICES_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/generation/service_state.h"
#include "server/store/store_batch.h"

namespace mind::server {

class KeptPrices {
 public:
  // `state` must outlive it.
  explicit KeptPrices(ServiceState& state) : state_(state), next_(state.options.steady_clock() + kInterval) {}

  // Reads what an earlier run has left. Waits for the disk: when the models are known, before anything is
  // asked.
  absl::Status TakeUp();
  // Once a minute, writes what has changed by more than measurements vary.
  void OnTick();
  void Write();

 private:
  static constexpr absl::Duration kInterval = absl::Minutes(1);

  ServiceState& state_;
  absl::Duration next_;
  std::map<std::string, StoredPrice> kept_;  // by model
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_KEPT_PRICES_H_
