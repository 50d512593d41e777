// Where in a trace a caller says to be.
#include "proto/support/trace_context.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string given(mind::fuzz::Text(data, size));
  // The first line is traceparent, all of it tracestate.
  const std::string state = mind::CarriedTracestate(given);
  if (state.size() > mind::kMostTracestate || mind::CarriedTracestate(state) != state) std::abort();
  const auto context = mind::ParseTraceparent(given.substr(0, given.find('\n')), given);
  if (!context) return 0;
  // What is passed on means the same.
  const std::string text = mind::ToTraceparent(*context);
  const auto again = mind::ParseTraceparent(text);
  if (!again || again->trace != context->trace || again->span != context->span ||
      again->sampled != context->sampled || mind::TraceIdOf(text) != context->TraceId()) {
    std::abort();
  }
  return 0;
}
