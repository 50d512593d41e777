// What is compared: ways to batch, and ways to follow the work, under one and the same load.
#ifndef MIND_TESTS_BENCH_CLUSTER_SCENARIOS_H_
#define MIND_TESTS_BENCH_CLUSTER_SCENARIOS_H_

#include <string>
#include <vector>

#include "tests/bench/cluster/cluster.h"

namespace mind::simulation {

struct Scenario {
  std::string name;
  Settings settings;
};

// On so many GPUs all the time.
std::vector<Scenario> WaysToBatch(const Settings& load);
// With as many at the most, batching by step.
std::vector<Scenario> WaysToScale(const Settings& load);

// A table in Markdown: its head, and a row of it.
std::string TableHead();
std::string TableRow(const std::string& name, const Outcome& outcome);

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_SCENARIOS_H_
