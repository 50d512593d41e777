#include "client/cli/usage.h"

#include <cstdio>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "client/cli/outcome.h"
#include "client/cli/print.h"
#include "proto/support/time.h"

namespace mind::cli {
namespace {

constexpr char kDay[] = "%Y-%m-%d";

FlagReader DayReader(google::protobuf::Timestamp* (v1::ListUsageRequest::*field)(),
                     v1::ListUsageRequest& request) {
  return [field, &request](const std::string& text) -> std::string {
    absl::Time day;
    std::string error;
    if (!absl::ParseTime(kDay, text, absl::UTCTimeZone(), &day, &error)) {
      return absl::StrCat("\"", text, "\" is not a day such as 2026-12-01");
    }
    *(request.*field)() = ToTimestamp(day);
    return "";
  };
}

// What spreadsheets would take for a formula stays text; that it is in quotes does not tell them so.
std::string PlainText(const std::string& text) {
  const bool formula = !text.empty() && absl::StrContains("=+-@\t\r", text.front());
  return formula ? absl::StrCat("'", text) : text;
}

std::string Quoted(const std::string& text) {
  return absl::StrCat("\"", absl::StrReplaceAll(PlainText(text), {{"\"", "\"\""}}), "\"");
}

}  // namespace

void AddUsageFlags(CLI::App& app, v1::ListUsageRequest& request) {
  AddFlag(app, "--since", "DAY", DayReader(&v1::ListUsageRequest::mutable_start_time, request),
          "Only jobs that ended on this day, in UTC, or later: 2026-11-01. If left out, all that are known");
  AddFlag(app, "--until", "DAY", DayReader(&v1::ListUsageRequest::mutable_end_time, request),
          "Only jobs that ended before this day: 2026-12-01. If left out, all that are known");
  AddFlag(
      app, "--of", "NAME",
      [&request](const std::string& tenant) {
        request.set_tenant(tenant);
        return std::string();
      },
      "Only this tenant's; if left out, all tenants'");
}

std::string CsvOf(const v1::Usage& usage) {
  return absl::StrFormat("%s,%s,%s,%s,%d,%d,%d,%.3f",
                         absl::FormatTime(kDay, FromTimestamp(usage.day()), absl::UTCTimeZone()),
                         PlainText(usage.tenant()), usage.key_id(), Quoted(usage.model()), usage.jobs(),
                         usage.images(), usage.steps(), usage.worker_seconds());
}

int Usage(client::Client& client, const Common& common, const v1::ListUsageRequest& request) {
  const auto usage = client.Usage(request);
  if (!usage.ok()) return ReportError(usage.status(), common);
  if (!common.json) std::printf("day,tenant,key,model,jobs,images,steps,worker_seconds\r\n");
  for (const v1::Usage& one : *usage) {
    common.json ? PrintJson(one) : static_cast<void>(std::printf("%s\r\n", CsvOf(one).c_str()));
  }
  return kOk;
}

}  // namespace mind::cli
