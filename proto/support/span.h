// What is told of something that took time, and whom it is told to.
#ifndef MIND_PROTO_SUPPORT_SPAN_H_
#define MIND_PROTO_SUPPORT_SPAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "proto/support/trace_context.h"

namespace mind {

struct Span {
  enum class Kind { kInternal = 1, kServer = 2, kClient = 3, kProducer = 4, kConsumer = 5 };
  using Attributes = std::vector<std::pair<std::string, std::variant<std::string, int64_t, double, bool>>>;
  struct Event {
    absl::Time time;
    std::string name;
    Attributes attributes;
  };

  TraceContext context;                // its own
  std::optional<TraceContext> parent;  // nothing: it is the root
  std::string name;                    // one of few: "queue"
  Kind kind = Kind::kInternal;
  absl::Time start, end;
  Attributes attributes;
  std::vector<Event> events;
  std::string error;  // empty: it ended well
};

class SpanSink {
 public:
  virtual ~SpanSink() = default;

  // Whether the spans of a trace that begins here, or goes on here, are to be recorded.
  virtual bool Samples(const std::optional<TraceContext>& parent, const TraceContext& begun) const = 0;
  // From any thread; never waits. REQUIRES: span.context.sampled
  virtual void Add(Span span) = 0;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_SPAN_H_
