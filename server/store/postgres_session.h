// The session that writes for a server: others find it by its name, to end it.
#ifndef MIND_SERVER_STORE_POSTGRES_SESSION_H_
#define MIND_SERVER_STORE_POSTGRES_SESSION_H_

#include <string>

#include "absl/strings/str_cat.h"

namespace mind::server {

// What pg_stat_activity shows as its application_name. `holder`: see TermRow; at most 40 bytes.
inline std::string WriterSession(const std::string& holder) {
  return absl::StrCat("mind-server writer ", holder);
}

}  // namespace mind::server

#endif  // MIND_SERVER_STORE_POSTGRES_SESSION_H_
