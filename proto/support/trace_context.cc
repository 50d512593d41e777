#include "proto/support/trace_context.h"

#include <openssl/rand.h>

#include <algorithm>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

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

// Of a tracestate: its members, and one that goes before others where there is too much of it.
constexpr size_t kMostMembers = 32, kLongMember = 128;

// A word of a system, "vendor", or of one of its tenants, "tenant@vendor".
bool IsStateKey(absl::string_view key) {
  constexpr size_t kLongest = 256;
  const auto begins = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !key.empty() && key.size() <= kLongest && begins(key.front()) && key.back() != '@' &&
         std::count(key.begin(), key.end(), '@') <= 1 && std::all_of(key.begin(), key.end(), [&](char c) {
           return begins(c) || c == '_' || c == '-' || c == '*' || c == '/' || c == '@';
         });
}

// Printable ASCII but for ',' and '='.
bool IsStateValue(absl::string_view value) {
  constexpr size_t kLongest = 256;
  return !value.empty() && value.size() <= kLongest && std::all_of(value.begin(), value.end(), [](char c) {
    return c >= ' ' && c <= '~' && c != ',' && c != '=';
  });
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

std::string CarriedTracestate(std::string_view text) {
  std::vector<absl::string_view> members;
  std::set<absl::string_view> keys;
  size_t length = 0;
  for (const absl::string_view spaced : absl::StrSplit(absl::string_view(text.data(), text.size()), ',')) {
    const absl::string_view member = absl::StripAsciiWhitespace(spaced);
    if (member.empty()) continue;  // which the standard lets callers leave
    const size_t equals = member.find('=');
    if (equals == absl::string_view::npos || !IsStateKey(member.substr(0, equals)) ||
        !IsStateValue(member.substr(equals + 1)) || !keys.insert(member.substr(0, equals)).second ||
        members.size() == kMostMembers) {
      return "";
    }
    length += member.size() + (members.empty() ? 0 : 1);
    members.push_back(member);
  }
  for (size_t i = members.size(); length > kMostTracestate && i > 0; --i) {
    if (members[i - 1].size() <= kLongMember) continue;
    length -= members[i - 1].size() + (members.size() > 1 ? 1 : 0);
    members.erase(members.begin() + static_cast<ptrdiff_t>(i - 1));
  }
  while (length > kMostTracestate) {
    length -= members.back().size() + (members.size() > 1 ? 1 : 0);
    members.pop_back();
  }
  return absl::StrJoin(members, ",");
}

std::optional<TraceContext> ParseTraceparent(std::string_view text, std::string_view tracestate) {
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
  context.state = CarriedTracestate(tracestate);
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
