// bench-load [JOBS [SIZE [LOAD...]]]: what the order of steps makes of latency on the real engine: Poisson
// arrivals of jobs of 1 to 16 pictures and 10 to 50 steps of the model that ships, SIZE pixels each way, on
// all cores. What the machine can do is measured first, with it always full. All orders get the same jobs in
// the same seconds, one order after the other; ratios are to the first.
#include <ATen/Parallel.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <mutex>
#include <thread>

#include "tests/bench/statistics.h"
#include "tests/support/step_simulation.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/processors.h"

namespace mind::diffusion {
namespace {

using bench::Quantile;
using simulation::Job;
using Clock = std::chrono::steady_clock;

struct Order {
  const char* name;
  StepTurns::Options turns;
};

const Order kOrders[] = {{"first come, first served", {.patience = 0, .flow = 0, .lead = 1e300}},
                         {"equal shares of pictures", {.flow = 1}},
                         {"by turns", {}}};

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// All pictures of one job.
class JobEvents {
 public:
  JobEvents(int pictures, Clock::time_point arrived) : left_(pictures), arrived_(arrived) {}

  // Also seconds to its first preview.
  struct Ended {
    double latency = 0, first_preview = 0;
  };
  std::future<Ended> ended() { return promise_.get_future(); }
  void OnPreview() {
    const std::lock_guard lock(mutex_);
    if (ended_.first_preview == 0) ended_.first_preview = Since(arrived_);
  }
  void OnPicture() {
    const std::lock_guard lock(mutex_);
    ended_.latency = Since(arrived_);
    if (--left_ == 0) promise_.set_value(ended_);
  }
  void OnFailed(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (left_ > 0) promise_.set_exception(error);
    left_ = 0;
  }

 private:
  std::mutex mutex_;
  int left_;
  const Clock::time_point arrived_;
  Ended ended_;
  std::promise<Ended> promise_;
};

class PictureEvents : public TrajectoryEvents {
 public:
  explicit PictureEvents(std::shared_ptr<JobEvents> job) : job_(std::move(job)) {}
  void OnStarted(int64_t) override {}
  void OnStep(int64_t, int64_t) override {}
  void OnPreview(int64_t, at::Tensor) override { job_->OnPreview(); }
  void OnCheckpoint(int64_t, std::string) override {}
  void OnPicture(at::Tensor) override { job_->OnPicture(); }
  void OnHandedBack(int64_t, std::string) override {}
  void OnCancelled(int64_t) override {}
  void OnFailed(std::exception_ptr error) override { job_->OnFailed(error); }

 private:
  const std::shared_ptr<JobEvents> job_;
};

std::future<JobEvents::Ended> Submit(Engine& engine, const Job& job, size_t number, int64_t size) {
  const auto events = std::make_shared<JobEvents>(job.pictures, Clock::now());
  std::future<JobEvents::Ended> ended = events->ended();
  for (int i = 0; i < job.pictures; ++i) {
    TrajectoryRequest request;
    request.model = "emoji";
    request.job = std::to_string(number);
    request.picture.prompt = "a red apple";
    request.picture.guidance = job.rows == 2 ? 3 : 1;
    request.width = request.height = size;
    request.sampler = "ddim";
    request.steps = job.steps;
    request.seed = number + static_cast<uint64_t>(i);
    engine.Submit(std::move(request), std::make_shared<PictureEvents>(events));
  }
  return ended;
}

// Seconds a row takes with all cores busy, encoding and decoding in it.
double SecondsARow(Engine& engine, int64_t size) {
  const Job job{.pictures = 16, .steps = 30};
  Submit(engine, job, 0, size).get();  // warms up
  const Clock::time_point begin = Clock::now();
  Submit(engine, job, 0, size).get();
  return Since(begin) / static_cast<double>(job.pictures * job.steps * static_cast<int64_t>(job.rows));
}

void Measure(ModelCache& models, double load, size_t count, int64_t size) {
  double first = 0, first_tail = 0;
  std::vector<Job> jobs;
  for (const Order& order : kOrders) {
    Engine engine(models, {.row_threads = UsableProcessors(), .turns = order.turns});
    const double seconds_a_row = SecondsARow(engine, size);
    if (jobs.empty()) jobs = simulation::PoissonJobs(count, load, seconds_a_row, /*seed=*/1);
    std::vector<std::future<JobEvents::Ended>> ended;
    const Clock::time_point begin = Clock::now();
    for (size_t i = 0; i < jobs.size(); ++i) {
      std::this_thread::sleep_until(begin + std::chrono::duration_cast<Clock::duration>(
                                                std::chrono::duration<double>(jobs[i].arrives)));
      ended.push_back(Submit(engine, jobs[i], i, size));
    }
    double mean = 0;
    std::vector<double> latencies, slowdowns, previews;
    for (size_t i = 0; i < jobs.size(); ++i) {
      const auto [latency, first_preview] = ended[i].get();
      const double own = static_cast<double>(jobs[i].pictures * jobs[i].steps) *
                         static_cast<double>(jobs[i].rows) * seconds_a_row;
      latencies.push_back(latency);
      slowdowns.push_back(latency / own);
      previews.push_back(first_preview);
      mean += latency / static_cast<double>(jobs.size());
    }
    const double tail = Quantile(latencies, 0.99);
    if (first == 0) first = mean, first_tail = tail;
    std::printf("| %.1f | %s | %.2f (%.2f) | %.2f (%.2f) | %.1f | %.2f | %.2f | %.2f |\n", load, order.name,
                mean, mean / first, tail, tail / first_tail, Quantile(slowdowns, 0.99),
                Quantile(previews, 0.99), static_cast<double>(count) / Since(begin), 1e3 * seconds_a_row);
    std::fflush(stdout);
  }
}

int Main(size_t count, int64_t size, const std::vector<double>& loads) {
  at::set_num_threads(1);
  ModelCache models(MIND_MODELS, {});
  std::printf(
      "| load | order | mean latency, s (of the first) | 99th percentile, s (of the first) | 99th percentile "
      "of "
      "the slowdown | of the first preview, s | jobs/s | a row, ms |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const double load : loads) Measure(models, load, count, size);
  return 0;
}

}  // namespace
}  // namespace mind::diffusion

int main(int argc, char** argv) {
  try {
    std::vector<double> loads;
    for (int i = 3; i < argc; ++i) loads.push_back(std::atof(argv[i]));
    if (loads.empty()) loads = {0.5, 0.7, 0.9};
    return mind::diffusion::Main(argc > 1 ? static_cast<size_t>(std::atol(argv[1])) : 100,
                                 argc > 2 ? std::atol(argv[2]) : 64, loads);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench-load: %s\n", e.what());
    return 1;
  }
}
