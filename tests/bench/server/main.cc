// bench-server: what mind-server costs by itself as jobs, workers and watchers grow. It starts servers on
// data of their own, plays workers without models to them, and asks.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/command_line.h"
#include "tests/bench/server/bare_http.h"
#include "tests/bench/server/bare_server.h"
#include "tests/bench/server/event_readers.h"
#include "tests/bench/server/parts.h"

namespace {

using namespace mind;
using namespace mind::bench;

struct Flags {
  Setting setting;
  std::vector<std::string> only;
  std::string json;
};

std::string NameError(const std::string& name) {
  const auto named = [&name](const Part& part) { return part.name == name; };
  if (std::any_of(kParts.begin(), kParts.end(), named)) return "";
  return absl::StrCat(
      "\"", name, "\" is none of ",
      absl::StrJoin(kParts, ", ", [](std::string* out, const Part& part) { *out += part.name; }));
}

Flags ParseFlags(int argc, char** argv) {
  Flags flags{.setting = {.program = std::filesystem::read_symlink("/proc/self/exe"),
                          .server = MIND_BIN "/mind-server",
                          .folder = std::filesystem::temp_directory_path()}};
  CLI::App app("Measures what mind-server costs by itself as jobs, workers and watchers grow.");
  SetUpCommandLine(app);
  AddText(app, "--server", flags.setting.server, "FILE", "The mind-server to measure");
  AddText(app, "--folder", flags.setting.folder, "DIR",
          "Where servers have their data, in folders of their own that go: on the disk that counts");
  AddNumber(app, "--seconds", flags.setting.seconds, 0.1, 3600.0,
            "Most that one measurement may take; filling queues may take ten times as long");
  AddSwitch(app, "--large", flags.setting.large,
            "Also 100000 and 1000000 jobs, 500 workers and 10000 watchers: many minutes");
  AddRepeatedFlag(
      app, "--only", "PART",
      [&flags](const std::string& name) {
        flags.only.push_back(name);
        return NameError(name);
      },
      absl::StrCat("Measure this part alone; may be given again: ",
                   absl::StrJoin(kParts, ", ", [](std::string* out, const Part& part) {
                     absl::StrAppend(out, part.name, " (", part.what, ")");
                   })));
  AddText(app, "--json", flags.json, "FILE", "Write what was measured there too");
  CLI::App& bare = *app.add_subcommand("bare-server", "The server that the others are compared with");
  CLI::App& bare_http = *app.add_subcommand("bare-http", "The same over HTTP");
  CLI::App& readers = *app.add_subcommand("event-readers", "Those who read events over HTTP");
  int port = 0;
  size_t count = 0;
  std::string targets;
  readers.add_option("port", port, "The server's, on this host")->required();
  readers.add_option("count", count, "How many")->required();
  readers.add_option("targets", targets, "A file of what they ask for")->required();
  ParseCommandLine(app, argc, argv);
  if (bare.parsed()) RunBareServer();
  if (bare_http.parsed()) RunBareHttp();
  if (readers.parsed()) RunEventReaders(port, count, targets);
  return flags;
}

// Whether all could be measured.
bool Run(const Flags& flags) {
  Report report;
  bool all = true;
  std::printf("%s on %s\n", flags.setting.server.c_str(), Report::Machine().c_str());
  for (const Part& part : kParts) {
    const bool wanted =
        flags.only.empty() || std::find(flags.only.begin(), flags.only.end(), part.name) != flags.only.end();
    if (!wanted) continue;
    try {
      part.measure(flags.setting, report);
    } catch (const std::exception& error) {  // the others are worth their time
      std::fprintf(stderr, "bench-server: %s: %s\n", part.name, error.what());
      all = false;
    }
  }
  if (flags.json.empty()) return all;
  std::ofstream file(flags.json);
  file << report.ToJson().dump(2) << "\n";
  if (!file.flush()) throw std::runtime_error("cannot write " + flags.json);
  return all;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(ParseFlags(argc, argv)) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench-server: %s\n", error.what());
    return 1;
  }
}
