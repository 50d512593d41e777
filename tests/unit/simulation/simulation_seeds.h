// Schedules of random events, each from a seed.
//
// MIND_SIMULATIONS: how many of them, from MIND_SIMULATION_FIRST on; a failure names its seed.
#ifndef MIND_TESTS_UNIT_SIMULATION_SIMULATION_SEEDS_H_
#define MIND_TESTS_UNIT_SIMULATION_SIMULATION_SEEDS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>

namespace mind::server {

inline uint32_t SimulationNumber(const char* name, uint32_t usual) {
  const char* const wanted = std::getenv(name);
  return wanted == nullptr ? usual : static_cast<uint32_t>(std::atoi(wanted));
}
// Plays so many, until one fails.
template <typename Play>
void ForEachSeed(uint32_t usual, const Play& play) {
  const uint32_t first = SimulationNumber("MIND_SIMULATION_FIRST", 0);
  const uint32_t schedules = SimulationNumber("MIND_SIMULATIONS", usual);
  for (uint32_t i = 0; i < schedules && !testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(first + i);
    play(first + i);
  }
}

}  // namespace mind::server

#endif  // MIND_TESTS_UNIT_SIMULATION_SIMULATION_SEEDS_H_
