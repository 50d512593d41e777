// What survives what, once a store has said that it has committed something.
#ifndef MIND_SERVER_STORE_STORE_DURABILITY_H_
#define MIND_SERVER_STORE_STORE_DURABILITY_H_

#include <string>

namespace mind::server {

struct StoreDurability {
  bool disk = false;     // it is on a disk: survives a power cut
  bool standby = false;  // it is on another machine's as well: survives the loss of the disk
  std::string settings;  // that make it so, for logs

  friend bool operator==(const StoreDurability&, const StoreDurability&) = default;
};

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_STORE_DURABILITY_H_
