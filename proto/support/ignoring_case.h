// The order of HTTP's header fields by their names, which no case distinguishes.
#ifndef MIND_PROTO_SUPPORT_IGNORING_CASE_H_
#define MIND_PROTO_SUPPORT_IGNORING_CASE_H_

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"

namespace mind {

struct IgnoringCase {
  bool operator()(const std::string& a, const std::string& b) const {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
      return absl::ascii_tolower(static_cast<unsigned char>(x)) <
             absl::ascii_tolower(static_cast<unsigned char>(y));
    });
  }
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_IGNORING_CASE_H_
