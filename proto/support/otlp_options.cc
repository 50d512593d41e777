#include "proto/support/otlp_options.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "proto/support/trace_context.h"

namespace mind {
namespace {

// The specification's, for who asks for OTLP and says no more.
constexpr char kDefaultEndpoint[] = "http://localhost:4317";

using Get = std::function<std::string(const std::string&)>;

absl::Status WrongValue(const std::string& name, const std::string& value, const std::string& allowed) {
  return absl::InvalidArgumentError(absl::StrCat(name, ": \"", value, "\" is not ", allowed));
}

// Of what there is for all signals and for traces alone: the latter, if it is set.
struct Setting {
  std::string name, value;
};
Setting Find(const Get& get, const std::string& rest) {
  const std::string own = absl::StrCat("OTEL_EXPORTER_OTLP_TRACES_", rest);
  if (std::string value = get(own); !value.empty()) return {own, std::move(value)};
  const std::string all = absl::StrCat("OTEL_EXPORTER_OTLP_", rest);
  return {all, get(all)};
}

std::string PercentDecoded(absl::string_view text) {
  const auto digit = [](char c) {
    return absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '%' && i + 2 < text.size() && absl::ascii_isxdigit(text[i + 1]) &&
                        absl::ascii_isxdigit(text[i + 2]);
    out.push_back(escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i]);
    if (escape) i += 2;
  }
  return out;
}

// "name=value,name=value". What it holds is repeated nowhere: it may be a secret.
absl::Status ReadPairs(const Setting& setting, std::map<std::string, std::string>& into) {
  for (const absl::string_view pair : absl::StrSplit(setting.value, ',', absl::SkipWhitespace())) {
    const std::vector<absl::string_view> parts = absl::StrSplit(pair, absl::MaxSplits('=', 1));
    const absl::string_view name = absl::StripAsciiWhitespace(parts[0]);
    if (parts.size() != 2 || name.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(setting.name, ": it must be name=value,name=value"));
    }
    into[std::string(name)] = PercentDecoded(absl::StripAsciiWhitespace(parts[1]));
  }
  return absl::OkStatus();
}

// gRPC ends the process where it is given another name or value.
absl::Status ReadHeaders(const Setting& setting, std::map<std::string, std::string>& into) {
  std::map<std::string, std::string> given;
  if (absl::Status status = ReadPairs(setting, given); !status.ok()) return status;
  for (const auto& [any_case, value] : given) {
    const std::string name = absl::AsciiStrToLower(any_case);
    const bool good_name = std::all_of(name.begin(), name.end(), [](unsigned char c) {
      return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
    });
    if (!good_name || absl::StartsWith(name, "grpc-") || absl::EndsWith(name, "-bin")) {
      return absl::InvalidArgumentError(absl::StrCat(setting.name, ": \"", Printable(any_case),
                                                     "\" is not a header's name of letters, digits, '-', '_' "
                                                     "and '.', which does not begin with grpc- nor end with "
                                                     "-bin"));
    }
    if (!std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; })) {
      return absl::InvalidArgumentError(
          absl::StrCat(setting.name, ": the value of ", name, " is not printable ASCII"));
    }
    into[name] = value;
  }
  return absl::OkStatus();
}

// A setting of which some values are supported; `take` gets which.
absl::Status ReadChoice(const Setting& setting, const std::vector<std::string>& allowed,
                        const std::function<void(size_t)>& take) {
  if (setting.value.empty()) return absl::OkStatus();
  const auto found = std::find(allowed.begin(), allowed.end(), setting.value);
  if (found == allowed.end()) {
    return WrongValue(setting.name, Printable(setting.value), absl::StrJoin(allowed, " or "));
  }
  take(static_cast<size_t>(found - allowed.begin()));
  return absl::OkStatus();
}

// Contexts come as W3C's: others may be named beside that one.
absl::Status ReadPropagators(const std::string& given) {
  const std::vector<std::string> names = absl::StrSplit(given, ',', absl::SkipWhitespace());
  const bool ours = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return absl::StripAsciiWhitespace(name) == "tracecontext";
  });
  if (names.empty() || ours) return absl::OkStatus();
  return WrongValue("OTEL_PROPAGATORS", Printable(given), "a list with tracecontext");
}

absl::Status ReadNumber(const Setting& setting, int64_t most, const std::function<void(int64_t)>& take) {
  if (setting.value.empty()) return absl::OkStatus();
  int64_t number = 0;
  if (!absl::SimpleAtoi(setting.value, &number) || number < 1 || number > most) {
    return WrongValue(setting.name, setting.value, absl::StrCat("a whole number from 1 to ", most));
  }
  take(number);
  return absl::OkStatus();
}

absl::Status ReadEndpoint(const Get& get, const Setting& setting, OtlpOptions& options) {
  absl::string_view rest = setting.value;
  options.tls.on = !absl::ConsumePrefix(&rest, "http://");
  if (options.tls.on && !absl::ConsumePrefix(&rest, "https://")) {
    options.tls.on = !absl::EqualsIgnoreCase(Find(get, "INSECURE").value, "true");
  }
  absl::ConsumeSuffix(&rest, "/");
  const size_t colon = rest.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos || colon == 0 || absl::StrContains(rest, '/') ||
      !absl::SimpleAtoi(rest.substr(colon + 1), &port) || port == 0 || port > 65535) {
    return WrongValue(setting.name, setting.value, "http://HOST:PORT or https://HOST:PORT");
  }
  options.endpoint = std::string(rest);
  return absl::OkStatus();
}

absl::Status ReadSampler(const Get& get, OtlpOptions& options) {
  const std::string name = "OTEL_TRACES_SAMPLER", argument = "OTEL_TRACES_SAMPLER_ARG";
  const std::string given = get(name);
  absl::string_view sampler = "parentbased_always_on";
  if (!given.empty()) sampler = given;
  options.parent_decides = absl::ConsumePrefix(&sampler, "parentbased_");
  if (sampler == "always_on" || sampler == "always_off") {
    options.ratio = sampler == "always_on" ? 1 : 0;
    return absl::OkStatus();
  }
  if (sampler != "traceidratio") {
    return WrongValue(name, given,
                      "always_on, always_off or traceidratio, or one of these after parentbased_");
  }
  const std::string ratio = get(argument);
  if (ratio.empty()) return absl::OkStatus();
  if (!absl::SimpleAtod(ratio, &options.ratio) || !(options.ratio >= 0 && options.ratio <= 1)) {
    return WrongValue(argument, ratio, "a number from 0 to 1");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<OtlpOptions>> OtlpOptionsFrom(const Get& get, const std::string& service) {
  if (absl::EqualsIgnoreCase(get("OTEL_SDK_DISABLED"), "true")) return std::nullopt;
  bool none = false;
  const Setting exporter = {"OTEL_TRACES_EXPORTER", get("OTEL_TRACES_EXPORTER")};
  const absl::Status known = ReadChoice(exporter, {"otlp", "none"}, [&](size_t which) { none = which == 1; });
  if (!known.ok()) return known;
  Setting endpoint = Find(get, "ENDPOINT");
  if (endpoint.value.empty() && !exporter.value.empty()) endpoint.value = kDefaultEndpoint;
  if (none || endpoint.value.empty()) return std::nullopt;
  OtlpOptions options;
  options.resource = {{"service.name", service},
                      {"service.version", MIND_VERSION},
                      {"service.instance.id", NewTrace(false).TraceId()}};
  options.tls.authorities = Find(get, "CERTIFICATE").value;
  options.tls.certificate_file = Find(get, "CLIENT_CERTIFICATE").value;
  options.tls.key_file = Find(get, "CLIENT_KEY").value;
  for (const absl::Status& status :
       {ReadEndpoint(get, endpoint, options), ReadHeaders(Find(get, "HEADERS"), options.headers),
        ReadChoice(Find(get, "PROTOCOL"), {"grpc"}, [](size_t) {}),
        ReadChoice(Find(get, "COMPRESSION"), {"none", "gzip"},
                   [&](size_t which) { options.gzip = which == 1; }),
        ReadPropagators(get("OTEL_PROPAGATORS")),
        ReadPairs({"OTEL_RESOURCE_ATTRIBUTES", get("OTEL_RESOURCE_ATTRIBUTES")}, options.resource),
        ReadSampler(get, options),
        ReadNumber(Find(get, "TIMEOUT"), 3'600'000,
                   [&](int64_t ms) { options.timeout = absl::Milliseconds(ms); }),
        ReadNumber({"OTEL_BSP_SCHEDULE_DELAY", get("OTEL_BSP_SCHEDULE_DELAY")}, 3'600'000,
                   [&](int64_t ms) { options.delay = absl::Milliseconds(ms); }),
        ReadNumber({"OTEL_BSP_MAX_QUEUE_SIZE", get("OTEL_BSP_MAX_QUEUE_SIZE")}, 1'000'000,
                   [&](int64_t n) { options.max_queue = static_cast<size_t>(n); }),
        ReadNumber({"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE")}, 10'000,
                   [&](int64_t n) { options.max_batch = static_cast<size_t>(n); })}) {
    if (!status.ok()) return status;
  }
  if (std::string name = get("OTEL_SERVICE_NAME"); !name.empty())
    options.resource["service.name"] = std::move(name);
  if (!options.tls.on) options.tls = {};  // files are named for those endpoints that need them
  return options;
}

absl::StatusOr<std::optional<OtlpOptions>> OtlpOptionsFromEnvironment(const std::string& service) {
  return OtlpOptionsFrom(
      [](const std::string& name) {
        const char* const value = std::getenv(name.c_str());
        return std::string(value == nullptr ? "" : value);
      },
      service);
}

}  // namespace mind
