// bench-cluster: a day of a cluster of GPUs in a minute, around the server's own queue and dispatcher.
// docs/scaling.md has its figures, and what is not in them.
#include <cstdio>
#include <ctime>
#include <utility>

#include "proto/support/command_line.h"
#include "tests/bench/cluster/scenarios.h"

namespace {

using namespace mind;
using namespace mind::simulation;

struct Flags {
  int gpus = 20;
  double hours = 4;
  double begin = 9;
  double load = 0.55;
  double start = 120;
  uint32_t room = 8;
  uint64_t seed = 1;
  bool whole = false;
  std::string only;
};

void Play(const std::vector<Scenario>& scenarios, const std::string& only) {
  bool any = false;
  for (const Scenario& scenario : scenarios) {
    if (scenario.name.find(only) == std::string::npos) continue;
    if (!std::exchange(any, true)) std::fputs(TableHead().c_str(), stdout);
    const std::clock_t begun = std::clock();
    std::fputs(TableRow(scenario.name, Simulate(scenario.settings)).c_str(), stdout);
    std::fflush(stdout);
    std::fprintf(stderr, "%s: %.0f s\n", scenario.name.c_str(),
                 static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC);
  }
  if (any) std::fputs("\n", stdout);
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Plays a cluster of GPUs in simulated time, and compares ways to batch and to scale.");
  SetUpCommandLine(app);
  AddNumber(app, "--gpus", flags.gpus, 3, 100'000, "GPUs at the most, in three pools");
  AddNumber(app, "--hours", flags.hours, 0.1, 240.0, "that are counted");
  AddNumber(app, "--begin", flags.begin, 0.0, 24.0, "the hour of the day at which counting begins");
  AddNumber(app, "--load", flags.load, 0.01, 2.0, "of all GPUs, in the mean of a day");
  AddNumber(app, "--start", flags.start, 1.0, 3600.0, "seconds until a GPU that is wanted takes work");
  AddNumber(app, "--room", flags.room, 1U, 64U, "pictures that a GPU takes at a time");
  AddNumber(app, "--seed", flags.seed, uint64_t{0}, UINT64_MAX, "of all that is drawn");
  AddSwitch(app, "--whole", flags.whole, "1000 GPUs and a day, whatever is said above: hours of a processor");
  AddText(app, "--only", flags.only, "TEXT", "scenarios with that in their names");
  ParseCommandLine(app, argc, argv);
  if (flags.whole) {
    flags.gpus = 1000;
    flags.hours = 24;
    flags.begin = 0;
  }
  Settings load;
  load.pools = TypicalPools(flags.gpus);
  load.shape.load = flags.load;
  load.room = flags.room;
  load.scaling.start_seconds = flags.start;
  load.begin = flags.begin * 3600 - load.warm_up;
  load.seconds = flags.hours * 3600;
  load.seed = flags.seed;
  Play(WaysToBatch(load), flags.only);
  Play(WaysToScale(load), flags.only);
}
