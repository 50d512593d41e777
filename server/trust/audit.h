// Who has had what done, and how it went: one JSON object a line in a file of its own, for those who must
// answer for a server.
//
//   {"time", "action", "key", "tenant", "job", "model", "outcome", "worker_seconds", …}
//
// Prompts are not in it unless that is asked for. Nobody waits for the disk: where it cannot keep up, lines
// are dropped and counted in the file itself.
#ifndef MIND_SERVER_TRUST_AUDIT_H_
#define MIND_SERVER_TRUST_AUDIT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "proto/support/line_writer.h"

namespace mind::server {

// Thread-safe.
class Audit {
 public:
  // Appends to the file, which only its owner may read; made where there is none. FAILED_PRECONDITION: that
  // cannot be.
  static absl::StatusOr<std::unique_ptr<Audit>> Open(const std::string& file, bool prompts);

  // Whether prompts belong in it.
  bool prompts() const { return prompts_; }
  // Adds a line: the time, the action and these.
  void Write(const std::string& action, const nlohmann::ordered_json& fields);

 private:
  Audit(int fd, bool prompts);

  const bool prompts_;
  LineWriter writer_;  // its file stays open as long as the process: a line may still be on its way
};

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_AUDIT_H_
