// What GCC's -fsanitize-coverage=trace-pc calls, made into the counters that libFuzzer wants. (Clang's own
// instrumentation would do without, but Clang 14 cannot read LibTorch's headers as C++20.)
#include <cstddef>
#include <cstdint>

extern "C" {
// libFuzzer's: where its counters are, and one entry {address, flags} for each.
void __sanitizer_cov_8bit_counters_init(uint8_t* start, uint8_t* stop);
void __sanitizer_cov_pcs_init(const uintptr_t* start, const uintptr_t* stop);
void __sanitizer_cov_trace_pc();
void __sanitizer_cov_trace_cmpf(float, float);
void __sanitizer_cov_trace_cmpd(double, double);
}

namespace {

constexpr size_t kCounters = size_t{1} << 16;
uint8_t counters[kCounters];
uintptr_t addresses[2 * kCounters];

const bool registered = [] {
  __sanitizer_cov_8bit_counters_init(counters, counters + kCounters);
  for (size_t i = 0; i < kCounters; ++i) addresses[2 * i] = i + 1;
  __sanitizer_cov_pcs_init(addresses, addresses + 2 * kCounters);
  return true;
}();

}  // namespace

// Two places of the program may share a counter; that costs the fuzzer a little insight, no more.
void __sanitizer_cov_trace_pc() {
  const auto place = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  uint8_t& counter = counters[(place * 0x9e3779b97f4a7c15u) >> 48];
  if (counter < 255) ++counter;
}

// libFuzzer looks at whole numbers only.
void __sanitizer_cov_trace_cmpf(float, float) {}
void __sanitizer_cov_trace_cmpd(double, double) {}
