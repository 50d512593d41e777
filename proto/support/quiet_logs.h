// Leaves logs unwritten: of a simulation's millions of lines nobody reads one.
#ifndef MIND_PROTO_SUPPORT_QUIET_LOGS_H_
#define MIND_PROTO_SUPPORT_QUIET_LOGS_H_

namespace mind {

// While one lives nothing is logged, by any thread.
class QuietLogs {
 public:
  QuietLogs();
  ~QuietLogs();
  QuietLogs(const QuietLogs&) = delete;
  QuietLogs& operator=(const QuietLogs&) = delete;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_QUIET_LOGS_H_
