// How a tenant stands with what is limited for it, in headers of OpenAI's names.
#ifndef MIND_SERVER_HTTP_RATE_HEADERS_H_
#define MIND_SERVER_HTTP_RATE_HEADERS_H_

#include <cmath>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "server/http/exchange.h"
#include "server/trust/rate.h"

namespace mind::server {

// `of`: "requests", "seconds".
inline HttpHeaders RateHeaders(const std::string& of, const Rate& rate) {
  const auto whole = [](double number) { return absl::StrFormat("%.0f", std::floor(number)); };
  return {{"x-ratelimit-limit-" + of, whole(rate.limit)},
          {"x-ratelimit-remaining-" + of, whole(rate.remaining)},
          {"x-ratelimit-reset-" + of, absl::FormatDuration(absl::Ceil(rate.reset, absl::Milliseconds(1)))}};
}

inline void AddRateHeaders(Exchange& exchange, const std::string& of, const Rate& rate) {
  for (auto& [name, value] : RateHeaders(of, rate)) exchange.AddHeader(name, value);
}

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_RATE_HEADERS_H_
