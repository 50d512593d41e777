#include "proto/support/trace_context.h"

#include <openssl/rand.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace mind {
namespace {

// Lower case alone, as the standard has it.
bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

template <size_t N>
bool Read(std::string_view text, std::array<uint8_t, N>& bytes) {
  if (!IsHex(text)) return false;
  const std::string raw = absl::HexStringToBytes({text.data(), text.size()});
  std::copy(raw.begin(), raw.end(), bytes.begin());
  return std::any_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte != 0; });
}

template <size_t N>
std::string Hex(const std::array<uint8_t, N>& bytes) {
  return absl::BytesToHexString({reinterpret_cast<const char*>(bytes.data()), N});
}

template <size_t N>
void Draw(std::array<uint8_t, N>& bytes) {
  do {
    RAND_bytes(bytes.data(), static_cast<int>(N));
  } while (std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; }));
}

}  // namespace

std::string TraceContext::TraceId() const {
  return Hex(trace);
}

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  // Version, trace, span, flags: 00-<32>-<16>-<2>. Later versions may go on after a dash.
  constexpr size_t kSize = 55;
  if (text.size() < kSize || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const std::string_view version = text.substr(0, 2), flags = text.substr(53, 2);
  if (!IsHex(version) || version == "ff" || !IsHex(flags)) return std::nullopt;
  if (text.size() > kSize && (version == "00" || text[kSize] != '-')) return std::nullopt;
  TraceContext context;
  if (!Read(text.substr(3, 32), context.trace) || !Read(text.substr(36, 16), context.span))
    return std::nullopt;
  const char low = flags[1];
  context.sampled = ((low <= '9' ? low - '0' : low - 'a' + 10) & 1) != 0;
  return context;
}

std::string ToTraceparent(const TraceContext& context) {
  return absl::StrCat("00-", Hex(context.trace), "-", Hex(context.span), context.sampled ? "-01" : "-00");
}

TraceContext NewTrace(bool sampled) {
  TraceContext context{.sampled = sampled};
  Draw(context.trace);
  Draw(context.span);
  return context;
}

TraceContext NewSpanIn(const TraceContext& parent) {
  TraceContext context = parent;
  Draw(context.span);
  return context;
}

std::string TraceIdOf(const std::string& traceparent) {
  return traceparent.size() < 35 ? "" : traceparent.substr(3, 32);
}

}  // namespace mind
