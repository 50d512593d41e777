#include "client/cli/doctor.h"

#include <cstdio>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/outcome.h"
#include "nlohmann/json.hpp"
#include "proto/support/errors.h"

namespace mind::cli {
namespace {

using Level = Finding::Level;

constexpr absl::Duration kExpiresSoon = absl::Hours(24 * 7);
constexpr absl::Duration kClockTolerance = absl::Seconds(5);
constexpr double kLittleRoom = 1 << 30;  // bytes

const char* NameOf(Level level) {
  switch (level) {
    case Level::kOk:
      return "ok";
    case Level::kNote:
      return "note";
    case Level::kWarning:
      return "warning";
    case Level::kWrong:
      return "WRONG";
  }
  return "";
}

// What the findings are put together with.
class Findings {
 public:
  void Add(Level level, const std::string& subject, const std::string& text, const std::string& advice = "") {
    findings_.push_back({level, subject, text, advice});
  }
  std::vector<Finding> Take() { return std::move(findings_); }

 private:
  std::vector<Finding> findings_;
};

bool IsLoopback(const std::string& server) {
  return absl::StartsWith(server, "127.") || absl::StartsWith(server, "localhost:") ||
         absl::StartsWith(server, "[::1]:") || absl::StartsWith(server, "unix:");
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = GetErrorInfo(status);
  return info ? info->reason() : "";
}

std::string InWords(absl::Duration duration) {
  if (duration >= absl::Hours(48)) return absl::StrCat(duration / absl::Hours(24), " days");
  return absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

void LookAtExpiry(const std::string& whose, absl::Time expiry, absl::Time now, Findings& report) {
  const absl::Duration left = expiry - now;
  if (left <= absl::ZeroDuration()) {
    report.Add(Level::kWrong, "tls", absl::StrCat(whose, " has expired"),
               "Put a new one in the place of its file: it is read again by itself.");
  } else if (left < kExpiresSoon) {
    report.Add(Level::kWarning, "tls", absl::StrCat(whose, " expires in ", InWords(left)),
               "Renew it; cert-manager or whatever renews it has not done so.");
  } else {
    report.Add(Level::kOk, "tls", absl::StrCat(whose, " is good for ", InWords(left)));
  }
}

void LookAtServer(const Evidence& seen, Findings& report) {
  if (seen.serving) return report.Add(Level::kOk, "server", absl::StrCat(seen.server, " takes jobs"));
  report.Add(Level::kWrong, "server", absl::StrCat(seen.server, " answers, and takes no jobs"),
             "It is going down, cannot write its store, or knows no leader: its log says which.");
}

void LookAtTls(const Evidence& seen, Findings& report) {
  if (seen.certificate) {
    return LookAtExpiry("the server's certificate", seen.certificate->not_after, seen.now, report);
  }
  if (seen.encrypted || IsLoopback(seen.server)) return;
  report.Add(Level::kWarning, "tls", "keys, prompts and pictures travel as they are",
             "Give the server --tls-cert and --tls-key, and dial with --tls, unless the network encrypts.");
}

void LookAtKey(const Evidence& seen, Findings& report) {
  if (!seen.asks_for_keys) {
    if (IsLoopback(seen.server)) return report.Add(Level::kOk, "key", "the server asks nobody for a key");
    return report.Add(Level::kWarning, "key",
                      "the server asks nobody for a key: whoever reaches it may do everything",
                      "Give it --keys (mind keys create --file).");
  }
  std::vector<std::string> allowed;
  for (const auto& [scope, said] : seen.scopes) {
    const bool for_certificate = absl::StartsWith(ReasonOf(said), "CERTIFICATE_");
    if (for_certificate && absl::IsUnauthenticated(said)) {
      return report.Add(Level::kWrong, "tls", std::string(said.message()),
                        "Show one with --tls-cert and --tls-key.");
    }
    if (absl::IsUnauthenticated(said)) {
      return report.Add(Level::kWrong, "key", std::string(said.message()),
                        "Give a key that holds by --key or MIND_KEY; who runs the server makes them.");
    }
    const bool unknown = absl::IsUnimplemented(said) || absl::IsDeadlineExceeded(said);
    if (!unknown && !for_certificate && ReasonOf(said) != "SCOPE_MISSING") allowed.push_back(scope);
  }
  report.Add(Level::kOk, "key", absl::StrCat("this one allows: ", absl::StrJoin(allowed, ", ")));
}

void LookAtModels(const Evidence& seen, Findings& report) {
  if (!seen.models.ok()) {
    return report.Add(Level::kNote, "models", absl::StrCat("not seen: ", seen.models.status().message()));
  }
  if (seen.models->empty()) {
    return report.Add(Level::kWrong, "models", "no worker has ever offered one",
                      "Start a mind-worker with --models DIR; its log says what it cannot serve, and why.");
  }
  std::vector<std::string> names;
  for (const v1::Model& model : *seen.models) names.push_back(Printable(model.name()));
  report.Add(Level::kOk, "models", absl::StrJoin(names, ", "));
}

std::string WorkerState(const v1::Worker& worker) {
  switch (worker.state()) {
    case v1::WORKER_STATE_DRAINING:
      return "draining";
    case v1::WORKER_STATE_STUCK:
      return "stuck";
    case v1::WORKER_STATE_READY:
    case v1::WORKER_STATE_BUSY:
      // One that has not said yet how much it takes.
      if (worker.max_images() == 0) return "starting";
      return worker.state() == v1::WORKER_STATE_READY ? "ready" : "busy";
    default:
      return "in a state that this program does not know";
  }
}

void LookAtWorkers(const Evidence& seen, Findings& report) {
  if (!seen.workers.ok()) {
    return report.Add(Level::kNote, "workers", absl::StrCat("not seen: ", seen.workers.status().message()));
  }
  std::map<std::string, int> states;
  std::vector<std::string> stuck;
  for (const v1::Worker& worker : *seen.workers) {
    if (worker.state() == v1::WORKER_STATE_STUCK) stuck.push_back(Printable(worker.name()));
    ++states[WorkerState(worker)];
  }
  const bool some = states.count("ready") + states.count("busy") > 0;
  const std::string counted = absl::StrJoin(states, ", ", [](std::string* out, const auto& each) {
    absl::StrAppend(out, each.second, " ", each.first);
  });
  if (!stuck.empty()) {
    report.Add(Level::kWrong, "workers", absl::StrCat("a picture hangs on ", absl::StrJoin(stuck, ", ")),
               "It is made elsewhere already: restart that worker.");
  }
  if (seen.workers->empty()) {
    report.Add(Level::kWrong, "workers", "none is connected: jobs wait",
               "Start one, or see what scales them; its log says why it does not connect.");
  } else if (!some) {
    report.Add(Level::kWrong, "workers", absl::StrCat("none takes work: ", counted),
               "Those that start load their models; see the log of the others.");
  } else {
    report.Add(Level::kOk, "workers", counted);
  }
}

void LookAtClock(const std::string& at, const MetricsPage& page, absl::Time now, Findings& report) {
  if (!page.clock()) return;
  const absl::Duration difference = *page.clock() - now;
  if (absl::AbsDuration(difference) <= kClockTolerance) return;
  report.Add(Level::kWarning, "clock",
             absl::StrCat("that of ", at, difference > absl::ZeroDuration() ? " is ahead of" : " is behind",
                          " this machine's by ", InWords(absl::AbsDuration(difference))),
             "Deadlines of jobs and the ends of keys and certificates are off by as much: keep both by NTP.");
}

void LookAtStore(const std::string& at, const MetricsPage& page, Findings& report) {
  if (page.Find("mind_store_failing").value_or(0) != 0) {
    report.Add(Level::kWrong, "store", absl::StrCat(at, " cannot write its store: new jobs are refused"),
               "Its log names the error: most often a full disk, or a database that is away.");
  }
  const bool leads = page.Find("mind_server_leads").value_or(1) != 0;
  if (!leads) return;  // what its store promises it learns when it leads
  const auto disk = page.Find("mind_store_synchronous", "with", "disk");
  const auto standby = page.Find("mind_store_synchronous", "with", "standby");
  if (disk && *disk == 0) {
    report.Add(Level::kWrong, "store", "what is accepted may be lost in a power cut",
               "Set fsync, full_page_writes and synchronous_commit of the database to on.");
  } else if (standby && *standby == 0) {
    report.Add(Level::kNote, "store", "what is accepted is on one machine's disk",
               "A synchronous standby of the database keeps it through the loss of that.");
  } else if (disk) {
    report.Add(Level::kOk, "store", "what is accepted is on two machines' disks");
  }
}

void LookAtDisk(const std::string& at, const MetricsPage& page, Findings& report) {
  const auto room = page.Find("mind_data_free_bytes");
  if (!room) return;
  const std::string text =
      absl::StrFormat("%.1f GiB are free where %s keeps its jobs", *room / kLittleRoom, at);
  if (*room >= kLittleRoom) return report.Add(Level::kOk, "disk", text);
  report.Add(Level::kWrong, "disk", text,
             "Make room, or keep jobs for less long (--keep); full, it takes none.");
}

// Of all pages together.
void LookAtLeaders(const Evidence& seen, Findings& report) {
  int asked = 0, leading = 0;
  for (const auto& [address, page] : seen.pages) {
    if (!page.ok()) continue;
    const auto leads = page->Find("mind_server_leads");
    if (!leads) continue;
    ++asked;
    if (*leads != 0) ++leading;
  }
  if (asked == 0) return;
  const std::string text = absl::StrCat(leading, " of the ", asked, " servers asked leads");
  if (leading == 1) return report.Add(Level::kOk, "leader", text);
  if (leading > 1) {
    return report.Add(Level::kNote, "leader", text, "One of them is about to learn better; ask again.");
  }
  report.Add(Level::kWarning, "leader", text,
             "Unless another does that --metrics has not named: none can reach the database.");
}

void LookAtPages(const Evidence& seen, const std::string& version, Findings& report) {
  for (const auto& [at, page] : seen.pages) {
    if (!page.ok()) {
      report.Add(Level::kWrong, "metrics", absl::StrCat(at, ": ", page.status().message()),
                 "Is that the --metrics address of a server, and may this machine reach it?");
      continue;
    }
    const std::string theirs = page->Label("mind_build_info", "version");
    if (theirs == version) {
      report.Add(Level::kOk, "version", absl::StrCat(at, " is of version ", theirs));
    } else {
      report.Add(Level::kWarning, "version",
                 absl::StrCat(at, " is of version ", theirs.empty() ? "unknown" : theirs,
                              ", this program of ", version),
                 "Bring all programs to one version, servers first.");
    }
    LookAtClock(at, *page, seen.now, report);
    LookAtStore(at, *page, report);
    LookAtDisk(at, *page, report);
    for (const Sample& sample : page->samples()) {
      if (sample.name != "mind_tls_certificate_expiry_seconds") continue;
      const auto use = sample.labels.find("use");
      LookAtExpiry(absl::StrCat("the certificate of ", at, " for ",
                                use == sample.labels.end() ? "its port" : use->second),
                   absl::FromUnixSeconds(static_cast<int64_t>(sample.value)), seen.now, report);
    }
  }
  LookAtLeaders(seen, report);
  if (seen.pages.empty()) {
    report.Add(Level::kNote, "metrics", "version, store, disk and clock were not looked at",
               "Name the servers' --metrics addresses with --metrics.");
  }
}

}  // namespace

std::vector<Finding> Examine(const Evidence& seen, const std::string& version) {
  Findings report;
  if (!seen.reached.ok()) {
    report.Add(Level::kWrong, "server", Explain(seen.reached, seen.server));
  } else {
    LookAtServer(seen, report);
    LookAtTls(seen, report);
    LookAtKey(seen, report);
    LookAtModels(seen, report);
    LookAtWorkers(seen, report);
  }
  LookAtPages(seen, version, report);
  return report.Take();
}

int Doctor(client::Client& client, const Common& common, const DoctorOptions& options) {
  const Evidence seen = Gather(client, common, options);
  bool wrong = false;
  for (const Finding& finding : Examine(seen, MIND_VERSION)) {
    wrong = wrong || finding.level == Level::kWrong;
    if (common.json) {
      std::printf("%s\n", nlohmann::ordered_json({{"level", absl::AsciiStrToLower(NameOf(finding.level))},
                                                  {"subject", finding.subject},
                                                  {"text", finding.text},
                                                  {"advice", finding.advice}})
                              .dump()
                              .c_str());
      continue;
    }
    std::printf("%-8s %-8s %s\n", NameOf(finding.level), finding.subject.c_str(), finding.text.c_str());
    if (!finding.advice.empty()) std::printf("%-17s %s\n", "", finding.advice.c_str());
  }
  if (!seen.reached.ok()) return kUnreachable;
  return wrong ? kFailed : kOk;
}

}  // namespace mind::cli
