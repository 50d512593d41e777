// What each method and route needs: the one table. What is not in it nobody may call.
#ifndef MIND_SERVER_TRUST_ACCESS_H_
#define MIND_SERVER_TRUST_ACCESS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mind/v1/keys.pb.h"

namespace mind::server {

struct Access {
  // SCOPE_UNSPECIFIED: open, whoever calls.
  v1::Scope scope = v1::SCOPE_UNSPECIFIED;

  bool open() const { return scope == v1::SCOPE_UNSPECIFIED; }
};

// `name`: of a method of gRPC "mind.v1.GenerationService/GetJob", of a route over HTTP its method and
// pattern, "GET /v1/jobs/{id}". None: it is not in the table.
std::optional<Access> AccessTo(std::string_view name);
// All names in the table.
std::vector<std::string> NamesWithAccess();

// As people write it: "generate".
std::string ScopeName(int scope);

}  // namespace mind::server

#endif  // MIND_SERVER_TRUST_ACCESS_H_
