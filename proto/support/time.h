// Between absl's times and protobuf's.
#ifndef MIND_PROTO_SUPPORT_TIME_H_
#define MIND_PROTO_SUPPORT_TIME_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include "absl/time/time.h"

namespace mind {

// REQUIRES: a finite time of the years 1 to 9999.
inline google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp timestamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return timestamp;
}

inline absl::Time FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

// Whether it is one that JSON and other languages can hold: years 1 to 9999, nanos 0 to 999999999.
inline bool IsValid(const google::protobuf::Timestamp& timestamp) {
  constexpr int64_t kFirst = -62'135'596'800, kLast = 253'402'300'799;
  return timestamp.seconds() >= kFirst && timestamp.seconds() <= kLast && timestamp.nanos() >= 0 &&
         timestamp.nanos() <= 999'999'999;
}

// Whether it is one that JSON and other languages can hold: up to 10,000 years, both parts of one sign.
inline bool IsValid(const google::protobuf::Duration& duration) {
  constexpr int64_t kMost = 315'576'000'000;
  const int64_t seconds = duration.seconds();
  const int32_t nanos = duration.nanos();
  return seconds >= -kMost && seconds <= kMost && nanos > -1'000'000'000 && nanos < 1'000'000'000 &&
         (seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0));
}

inline google::protobuf::Duration ToDuration(absl::Duration duration) {
  google::protobuf::Duration message;
  message.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  message.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return message;
}

inline absl::Duration FromDuration(const google::protobuf::Duration& message) {
  return absl::Seconds(message.seconds()) + absl::Nanoseconds(message.nanos());
}

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_TIME_H_
