// Ends a process that does not come to its end by itself.
#ifndef MIND_PROTO_SUPPORT_WATCHDOG_H_
#define MIND_PROTO_SUPPORT_WATCHDOG_H_

#include "absl/time/time.h"

namespace mind {

// Whatever the process is doing when this time is over, it ends then: with status 1, and a line on standard
// error if that can be written. Call when going down; the thread it starts is never joined.
void EndWithin(absl::Duration limit);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_WATCHDOG_H_
