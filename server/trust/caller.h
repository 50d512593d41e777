// Who calls, once that has been looked at: what the rest of the server goes by.
#ifndef MIND_SERVER_TRUST_CALLER_H_
#define MIND_SERVER_TRUST_CALLER_H_

#include <algorithm>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "mind/v1/job.pb.h"

namespace mind::server {

struct Caller {
  std::string tenant = "default";
  std::string key_id = {};               // empty: keys are not asked for
  std::vector<std::string> models = {};  // that it may use; none: all
  v1::Priority highest_priority = v1::PRIORITY_HIGH;
  std::string traceparent = {};  // as given; not looked at yet
  std::string tracestate = {};   // what is carried of what came with it

  bool MayUse(const std::string& model) const {
    return models.empty() || std::find(models.begin(), models.end(), model) != models.end();
  }
};

// A tenant name: 1 to 64 letters, digits, '-', '_' and '.'.
absl::Status ValidateTenant(const std::string& tenant);

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_CALLER_H_
