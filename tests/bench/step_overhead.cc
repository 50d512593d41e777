// bench-step [STEPS]: what the engine costs beside the denoiser itself, as ratios taken side by side in one
// run.
//
//   1. the share of a step spent outside the forward, at 1, 2, 4 and 8 requests in the batch;
//   2. the latency of a lone request against a bare loop over the same network, sampler and decoder.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <thread>

#include <ATen/Parallel.h>

#include "tests/bench/statistics.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/samplers/registry.h"
#include "worker/diffusion/samplers/run.h"

namespace mind::diffusion {
namespace {

using bench::Median;
using Clock = std::chrono::steady_clock;

constexpr int kRepeats = 7;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

class Awaited : public TrajectoryEvents {
 public:
  void OnStarted(int64_t) override {}
  void OnStep(int64_t, int64_t) override {}
  void OnPreview(int64_t, at::Tensor) override {}
  void OnCheckpoint(int64_t, std::string) override {}
  void OnPicture(at::Tensor) override { done_.set_value(); }
  void OnHandedBack(int64_t, std::string) override { done_.set_value(); }
  void OnCancelled(int64_t) override { done_.set_value(); }
  void OnFailed(std::exception_ptr error) override { done_.set_exception(error); }
  std::future<void> done() { return done_.get_future(); }

 private:
  std::promise<void> done_;
};

class Meter : public EngineMeter {
 public:
  void OnBatch(const Batch& batch) override {
    const std::lock_guard lock(mutex_);
    forward_[batch.trajectories] += batch.forward_seconds;
    total_[batch.trajectories] += batch.total_seconds;
  }
  double OverheadShare(size_t trajectories) {
    const std::lock_guard lock(mutex_);
    return 1 - forward_[trajectories] / total_[trajectories];
  }

 private:
  std::mutex mutex_;
  std::map<size_t, double> forward_, total_;
};

TrajectoryRequest Request(int64_t steps, uint64_t seed) {
  TrajectoryRequest request;
  request.model = "emoji";
  request.picture.prompt = "a red apple";
  request.picture.guidance = 3;
  request.width = request.height = 64;
  request.sampler = "ddim";
  request.steps = steps;
  request.seed = seed;
  return request;
}

// The loop one would write by hand: the same rows on the same number of threads, nothing around them.
double BareLoop(const Pipeline& pipeline, RowExecutor& executor, const TrajectoryRequest& request) {
  const c10::InferenceMode inference;
  const Clock::time_point begin = Clock::now();
  const std::vector<int64_t> shape = pipeline.LatentShape(request.width, request.height);
  const Conditioning conditioning = pipeline.Condition(request.picture, shape);
  const auto sampler = MakeSampler(request.sampler, pipeline.sampler_config(), request.steps);
  SampleState state;
  state.noise = std::make_unique<SeededNoise>(request.seed);
  state.x = state.noise->Draw(shape) * sampler->initial_scale();
  GuidanceMemory memory;
  RunToEnd(*sampler, state, [&](const at::Tensor& input, double timestep) {
    std::vector<EvaluationRow> rows;
    for (const Told& row : conditioning.rows) rows.push_back({input, timestep, row, {}});
    std::vector<at::Tensor> outputs;
    for (const RowResult& result : executor.Run(pipeline.denoiser(), rows)) outputs.push_back(result.output);
    return Guide(conditioning, outputs, /*timestep=*/0, memory);
  });
  ToBytes(pipeline.Decode(state.x));
  return Since(begin);
}

int Run(int64_t steps) {
  at::set_num_threads(1);
  const int threads = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  ModelCache models(MIND_MODELS, {});
  const std::shared_ptr<const Pipeline> pipeline = models.Get("emoji");
  const std::unique_ptr<RowExecutor> executor = MakeSideBySideExecutor(threads);

  for (const size_t batch : {1, 2, 4, 8}) {
    Meter meter;
    // On the CPU a batch holds no more rows than run at the same time.
    Engine engine(models, {.row_threads = std::max(threads, 2 * static_cast<int>(batch))}, &meter);
    std::vector<std::future<void>> done;
    for (size_t i = 0; i < batch; ++i) {
      auto events = std::make_shared<Awaited>();
      done.push_back(events->done());
      engine.Submit(Request(steps, i), events);
    }
    for (auto& one : done) one.get();
    std::printf("outside the forward, %zu in the batch: %.2f %% of the step\n", batch,
                100 * meter.OverheadShare(batch));
  }

  // Alternating, so that both see the same machine.
  std::vector<double> ratios;
  Engine engine(models, {.row_threads = threads});
  for (int i = 0; i <= kRepeats; ++i) {
    TrajectoryRequest request = Request(steps, 1);
    request.preview_every = 0;
    const double bare = BareLoop(*pipeline, *executor, request);
    auto events = std::make_shared<Awaited>();
    std::future<void> done = events->done();
    const Clock::time_point begin = Clock::now();
    engine.Submit(request, events);
    done.get();
    const double engine_seconds = Since(begin);
    if (i > 0) ratios.push_back(engine_seconds / bare);  // the first pair warms up
  }
  std::printf("a lone request against a bare loop: %.4f of its latency (median of %d pairs, %lld steps)\n",
              Median(ratios), kRepeats, static_cast<long long>(steps));
  return 0;
}

}  // namespace
}  // namespace mind::diffusion

int main(int argc, char** argv) {
  try {
    return mind::diffusion::Run(argc > 1 ? std::atoll(argv[1]) : 50);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench-step: %s\n", e.what());
    return 1;
  }
}
