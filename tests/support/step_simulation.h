// The engine's order of steps on machines whose t(B) is given, in simulated time: jobs arrive, the product's
// own StepBatches, StepTurns and BatchCap say who goes, and nothing is computed. The same seed gives the same
// run.
#ifndef MIND_TESTS_SUPPORT_STEP_SIMULATION_H_
#define MIND_TESTS_SUPPORT_STEP_SIMULATION_H_

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "worker/diffusion/engine/step_batch.h"

namespace mind::diffusion::simulation {

struct Machine {
  std::function<double(size_t rows)> seconds;  // t(B)
  BatchCap::Options cap;
};

// A row takes a second on one of so many cores.
inline Machine Cpu(size_t cores) {
  const auto waves = [cores](size_t rows) { return (rows + cores - 1) / cores; };
  return {.seconds = [waves](size_t rows) { return static_cast<double>(waves(rows)); },
          .cap = {.floor = cores, .ceiling = cores, .same_cost = [cores, waves](size_t rows) {
                    return waves(rows) * cores;
                  }}};
}

// t(B) = fixed + row·B seconds, where B is padded to a power of two.
inline Machine Gpu(double fixed, double row) {
  const auto bucket = [](size_t rows) {
    size_t size = 1;
    while (size < rows) size *= 2;
    return size;
  };
  return {.seconds = [=](size_t rows) { return fixed + row * static_cast<double>(bucket(rows)); },
          .cap = {.same_cost = bucket}};
}

struct Job {
  double arrives = 0;
  int pictures = 1;
  int64_t steps = 1;
  size_t rows = 2;  // a step of a picture
  std::string tenant;
  double weight = 1;
};

struct Outcome {
  double latency = 0;  // from its arrival to its last picture
  // The longest that one of its pictures went without a step, in batches over the pictures there.
  double longest_gap = 0;
  // Seconds that those there took when it came, itself among them, one picture at a time.
  double work_found = 0;
};

// Poisson arrivals of jobs of 1 to 16 pictures and 10 to 50 steps each, a quarter of them without guidance.
// `load` is the share of the machine's rows a second, at `seconds_a_row`, that they ask for. With a grain
// above one there are as many times fewer steps, for those who have no time.
inline std::vector<Job> PoissonJobs(size_t count, double load, double seconds_a_row, uint64_t seed,
                                    int grain = 1) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return static_cast<int>(random() % n); };
  const double rows = 8.5 * 30 * 1.75 / grain;  // of a job, on average
  const double between = rows * seconds_a_row / load;
  std::vector<Job> jobs;
  double now = 0;
  for (size_t i = 0; i < count; ++i) {
    now -= between * std::log1p(-static_cast<double>(random() >> 11) * 0x1p-53);
    Job job{.arrives = now, .pictures = 1 + below(16), .steps = (10 + below(41)) / grain};
    job.rows = below(4) == 0 ? 1 : 2;
    jobs.push_back(std::move(job));
  }
  return jobs;
}

// By itself on the machine, in batches of at most `cap` rows.
inline double OwnSeconds(const Machine& machine, const Job& job, size_t cap) {
  const size_t pictures = static_cast<size_t>(job.pictures), together = std::max<size_t>(cap / job.rows, 1);
  const auto batch = [&](size_t n) {
    return n == 0 ? 0 : static_cast<double>(job.steps) * machine.seconds(n * job.rows);
  };
  return static_cast<double>(pictures / together) * batch(together) + batch(pictures % together);
}

class Simulation {
 public:
  Simulation(Machine machine, StepTurns::Options turns)
      : machine_(std::move(machine)),
        cap_(machine_.cap),
        batches_({.cap_of = [this](const Trajectory&) -> const BatchCap& { return cap_; },
                  .seconds_left =
                      [this](const Trajectory& t) {
                        return static_cast<double>((t.stage().end - t.state.step) *
                                                   static_cast<int64_t>(t.conditioning.rows.size())) *
                               cap_.seconds_per_row();
                      },
                  .busy_above = [](int64_t) { return size_t{0}; }},
                 turns) {}

  // REQUIRES: they are in order of arrival. `until`: stops by then; what has not ended has no latency.
  std::vector<Outcome> Of(const std::vector<Job>& jobs, double until = 1e300) {
    std::vector<Outcome> outcomes(jobs.size());
    std::vector<int> pictures_left;
    size_t next = 0;
    while ((next < jobs.size() || !parked_.empty()) && now_ < until) {
      if (parked_.empty()) now_ = std::max(now_, jobs[next].arrives);
      for (; next < jobs.size() && jobs[next].arrives <= now_; ++next) {
        pictures_left.push_back(jobs[next].pictures);
        outcomes[next].work_found = Enter(jobs[next], next);
      }
      for (const auto& t : Step()) {
        const Picture& picture = static_cast<const Picture&>(*t);
        Outcome& outcome = outcomes[picture.job];
        outcome.longest_gap = std::max(outcome.longest_gap, picture.longest_gap);
        if (picture.state.step == picture.stage().end && --pictures_left[picture.job] == 0)
          outcome.latency = now_ - jobs[picture.job].arrives;
      }
    }
    return outcomes;
  }

  const BatchCap& cap() const { return cap_; }
  double now() const { return now_; }
  // Seconds of the machine that each tenant had, by rows.
  const std::map<std::string, double>& had() const { return had_; }

 private:
  struct Picture : Trajectory {
    size_t job = 0;
    uint64_t came = 0;
    double longest_gap = 0;
  };

  double Enter(const Job& job, size_t number) {
    for (int i = 0; i < job.pictures; ++i) {
      auto t = std::make_shared<Picture>();
      t->id = ++last_id_;
      t->came = number_;
      t->job = number;
      t->request.job = std::to_string(number);
      t->request.tenant = job.tenant;
      t->request.tenant_weight = job.weight;
      Stage& stage = t->stages.emplace_back();
      stage.shape = {1};
      stage.end = job.steps;
      t->conditioning.rows.resize(job.rows);
      parked_.push_back(std::move(t));
    }
    double work = 0;
    for (const auto& t : parked_) {
      work +=
          static_cast<double>(t->stage().end - t->state.step) * machine_.seconds(t->conditioning.rows.size());
    }
    return work;
  }

  // One batch: who was in it. Those who are done leave.
  std::vector<std::shared_ptr<Trajectory>> Step() {
    const auto batch = batches_.Next(parked_);
    size_t rows = 0;
    for (const auto& t : batch) rows += t->conditioning.rows.size();
    const double seconds = machine_.seconds(rows);
    cap_.Record(rows, seconds);
    batches_.Took(seconds);
    now_ += seconds;
    ++number_;
    for (const auto& t : parked_) {
      Picture& picture = static_cast<Picture&>(*t);
      picture.longest_gap = std::max(
          picture.longest_gap, static_cast<double>(number_ - std::max(picture.last_served, picture.came)) /
                                   static_cast<double>(parked_.size()));
    }
    for (const auto& t : batch) {
      t->last_served = number_;
      ++t->state.step;
      had_[t->request.tenant] +=
          seconds * static_cast<double>(t->conditioning.rows.size()) / static_cast<double>(rows);
    }
    std::erase_if(parked_, [](const auto& t) { return t->state.step == t->stage().end; });
    return batch;
  }

  const Machine machine_;
  BatchCap cap_;
  StepBatches batches_;
  double now_ = 0;
  uint64_t number_ = 0, last_id_ = 0;
  std::vector<std::shared_ptr<Trajectory>> parked_;
  std::map<std::string, double> had_;
};

}  // namespace mind::diffusion::simulation

#endif  // MIND_TESTS_SUPPORT_STEP_SIMULATION_H_
