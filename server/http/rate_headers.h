// How a tenant stands with what is limited for it, in headers of OpenAI's names.
#ifndef MIND_SERVER_HTTP_RATE_HEADERS_H_
#define MIND_SERVER_HTTP_RATE_HEADERS_H_

#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/http/exchange.h"
#include "server/trust/rate.h"

namespace mind::server {

// `of`: "requests", "seconds".
inline void AddRateHeaders(Exchange& exchange, const std::string& of, const Rate& rate) {
  exchange.AddHeader("x-ratelimit-limit-" + of, absl::StrCat(std::floor(rate.limit)));
  exchange.AddHeader("x-ratelimit-remaining-" + of, absl::StrCat(std::floor(rate.remaining)));
  exchange.AddHeader("x-ratelimit-reset-" + of,
                     absl::FormatDuration(absl::Ceil(rate.reset, absl::Milliseconds(1))));
}

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_RATE_HEADERS_H_
