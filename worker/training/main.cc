// mind-train: trains models on the very modules that serve them. docs/training.md.
#include <ATen/Parallel.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>

#include "proto/support/command_line.h"
#include "worker/diffusion/blas.h"
#include "worker/diffusion/processors.h"
#include "worker/training/objective.h"
#include "worker/training/trainer.h"

namespace {

using namespace mind::training;

std::atomic<bool> stop = false;

void Train(const std::string& file, const Trainer::Options& options, at::Device device, int64_t steps) {
  RunConfig config = RunConfig::From(file);
  if (steps > 0) config.steps = steps;
  Parameters parameters(
      {.seed = config.seed, .device = device, .embedding_deviation = config.embedding_deviation});
  const std::unique_ptr<Objective> objective = MakeObjective(config, parameters);
  Trainer trainer(config, options, *objective, parameters);
  std::fprintf(stderr, "%ld examples, %.2f M parameters, from step %ld to %ld\n",
               static_cast<long>(objective->count()), static_cast<double>(parameters.count()) / 1e6,
               static_cast<long>(trainer.step()), static_cast<long>(config.steps));
  trainer.Run(stop);
  std::fprintf(stderr, "\n%s at step %ld\n", trainer.step() < config.steps ? "stopped" : "done",
               static_cast<long>(trainer.step()));
}

void PrintRows(const Progress& progress) {
  if (progress.row) std::fprintf(stderr, "%s\n", ProgressLine(progress).c_str());
}

// On a terminal: rows stay, and a bar moves below them.
void DrawProgress(const Progress& progress) {
  using Clock = std::chrono::steady_clock;
  static Clock::time_point drawn;
  const Clock::time_point now = Clock::now();
  if (!progress.row && now - drawn < std::chrono::milliseconds(200)) return;
  drawn = now;
  if (progress.row) std::fprintf(stderr, "\r%s\033[K\n", ProgressLine(progress).c_str());
  std::fprintf(stderr, "\r%s %s\033[K", ProgressBar(progress, 30).c_str(), ProgressLine(progress).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  mind::ChooseBlasKernels(argv);
  CLI::App app(
      "Trains a model as a JSON file says. Goes on where it was stopped: Ctrl-C stores its state first.");
  mind::SetUpCommandLine(app);
  std::string file, device = "cpu";
  Trainer::Options options;
  int64_t steps = 0;
  options.threads = mind::UsableProcessors();
  mind::AddText(app, "RUN", file, "FILE", "JSON file of the run")->required();
  mind::AddText(app, "--out", options.folder, "DIR", "For state, model, curve and samples")->required();
  mind::AddNumber(app, "--threads", options.threads, 1, 1024,
                  "Parts of a batch computed side by side; another number, other rounding");
  mind::GiveTwin(mind::AddText(app, "--device", device, "DEVICE", "cpu or cuda:N"));
  mind::AddFlag(app, "--steps", "N", mind::Number<int64_t>([&steps](int64_t given) { steps = given; }, 1),
                "Stop at this step instead of the file's last");
  mind::ParseCommandLine(app, argc, argv);

  struct sigaction action {};
  action.sa_handler = [](int) { stop = true; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  at::set_num_threads(1);
  options.report = isatty(STDERR_FILENO) == 1 ? DrawProgress : PrintRows;
  try {
    const at::Device where(device);
    if (where.is_cuda()) options.threads = 1;
    Train(file, options, where, steps);
  } catch (const c10::Error& e) {
    std::fprintf(stderr, "mind-train: %s\n", e.what_without_backtrace());
    return 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "mind-train: %s\n", e.what());
    return 1;
  }
  return 0;
}
