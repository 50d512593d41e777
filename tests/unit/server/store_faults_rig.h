// The service over a store that is slow, or cannot be written and then can again.
#ifndef MIND_TESTS_UNIT_SERVER_STORE_FAULTS_RIG_H_
#define MIND_TESTS_UNIT_SERVER_STORE_FAULTS_RIG_H_

#include "tests/unit/server/service_rig.h"
#include "tests/unit/server/store_rig.h"

namespace mind::server {

class StoreFaultsRig : public ServiceRig {
 protected:
  uint32_t RunningImages() { return ListWorkers().workers(0).running_images(); }
  // The disk has room again, and the server has noticed.
  void MakeRoom() {
    store_.full = false;
    Tick(absl::Seconds(2));
    Tick();
  }
  bool Waits(const Reply<v1::Job>& reply) {
    Settle();
    return !reply->has_value();
  }
};

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SERVER_STORE_FAULTS_RIG_H_
