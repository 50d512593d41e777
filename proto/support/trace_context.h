// Where in a trace something is: W3C's trace context, as callers hand it in and spans are named by.
#ifndef MIND_PROTO_SUPPORT_TRACE_CONTEXT_H_
#define MIND_PROTO_SUPPORT_TRACE_CONTEXT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mind {

struct TraceContext {
  std::array<uint8_t, 16> trace{};  // never all zero
  std::array<uint8_t, 8> span{};    // likewise
  bool sampled = false;             // its spans are recorded
  // What tracing systems say beside it, for each other: W3C's tracestate, of at most kMostTracestate
  // characters.
  std::string state = {};

  std::string TraceId() const;  // 32 hexadecimal digits
};

// Where something is in a trace, as it is passed on; both empty: nobody traces.
struct TraceHeaders {
  std::string traceparent, tracestate;
};

// What is carried of a tracestate, at most: what the standard asks for.
inline constexpr size_t kMostTracestate = 512;

// Of the headers traceparent and tracestate; nothing where the first is none, which is to be taken as if it
// were not there.
std::optional<TraceContext> ParseTraceparent(std::string_view text, std::string_view tracestate = "");
// What of a header tracestate is carried on: nothing where it is none. Where it is longer than is carried,
// members of more than 128 characters go first, then the last ones (W3C Trace Context, 3.3.1.5).
std::string CarriedTracestate(std::string_view text);
std::string ToTraceparent(const TraceContext& context);

// A new trace, and a new span in the trace of another; both by random numbers.
TraceContext NewTrace(bool sampled);
TraceContext NewSpanIn(const TraceContext& parent);

// The trace's id in a traceparent that we have made; empty if it is empty.
std::string TraceIdOf(const std::string& traceparent);

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_TRACE_CONTEXT_H_
