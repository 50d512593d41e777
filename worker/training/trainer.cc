#include "worker/training/trainer.h"

#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <cmath>
#include <filesystem>
#include <thread>

#include "worker/diffusion/error.h"
#include "worker/training/autocast.h"
#include "worker/training/files.h"

namespace mind::training {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kStateFile[] = "/state.safetensors";

}  // namespace

Trainer::Trainer(const RunConfig& config, Options options, Objective& objective, Parameters& parameters)
    : config_(config),
      options_(std::move(options)),
      objective_(objective),
      parameters_(parameters),
      optimizer_(parameters.tensors(), config.optimizer),
      average_(parameters.tensors(), config.average),
      order_(objective.count(), config.seed),
      step_(Begin()),
      log_(options_.folder, step_) {}

int64_t Trainer::Begin() {
  std::filesystem::create_directories(options_.folder + "/samples");
  const std::string state = options_.folder + kStateFile;
  if (std::filesystem::exists(state))
    return RestoreState(state, config_.Identity(), {parameters_, optimizer_, average_});
  if (!config_.start_from.empty()) {
    const Tensors begun = objective_.ReadModel(config_.start_from);
    parameters_.Restore(begun, config_.start_from);
    CopyInto(average_.tensors(), begun, config_.start_from);
  }
  return 0;
}

at::Tensor Trainer::LossOf(const std::vector<int64_t>& examples, StepRandom& random) const {
  const AutocastScope scope(config_.precision, parameters_.device());
  return objective_.Loss(examples, random);
}

double Trainer::Step() {
  const int64_t step = step_ + 1;
  const std::vector<int64_t> indices = order_.At(step_ * config_.batch, config_.batch);
  const int64_t parts = std::min<int64_t>(options_.threads, config_.batch);
  std::vector<std::string> names;
  std::vector<at::Tensor> inputs;
  for (const auto& [name, parameter] : parameters_.tensors()) {
    names.push_back(name);
    inputs.push_back(parameter);
  }

  struct Result {
    std::vector<at::Tensor> gradients;
    double loss = 0;
    std::exception_ptr error;
  };
  std::vector<Result> results(static_cast<size_t>(parts));
  const auto compute = [&](int64_t part) {
    Result& result = results[static_cast<size_t>(part)];
    try {
      const int64_t begin = part * config_.batch / parts, end = (part + 1) * config_.batch / parts;
      StepRandom random(config_.seed, step, part);
      const at::Tensor loss = LossOf({indices.begin() + begin, indices.begin() + end}, random) *
                              (static_cast<double>(end - begin) / static_cast<double>(config_.batch));
      result.loss = loss.item<double>();
      result.gradients = torch::autograd::grad({loss}, inputs, {}, /*retain_graph=*/false,
                                               /*create_graph=*/false, /*allow_unused=*/true);
    } catch (...) {
      result.error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    for (int64_t part = 1; part < parts; ++part) helpers.emplace_back([&compute, part] { compute(part); });
    compute(0);
  }

  Tensors gradients;
  double loss = 0;
  for (const Result& result : results) {
    if (result.error) std::rethrow_exception(result.error);
    loss += result.loss;
  }
  if (!std::isfinite(loss)) {
    throw diffusion::Error(
        "step " + std::to_string(step) +
        ": the loss is no longer a number; go on from the last state with a lower learning_rate");
  }
  for (size_t i = 0; i < names.size(); ++i) {
    at::Tensor sum;
    for (const Result& result : results) {
      const at::Tensor& gradient = result.gradients[i];
      if (gradient.defined()) sum = sum.defined() ? sum + gradient : gradient;
    }
    gradients[names[i]] = sum.defined() ? sum : at::zeros_like(inputs[i]);
  }
  optimizer_.Step(parameters_.tensors(), gradients, config_.learning_rate.At(step), step);
  average_.Update(parameters_.tensors(), step);
  step_ = step;
  return loss;
}

void Trainer::StoreModel() const {
  WriteFolder(options_.folder + "/model",
              [this](const std::string& folder) { objective_.WriteModel(folder, average_.tensors()); });
}

void Trainer::Store() {
  log_.Save();
  StoreModel();
  // Last: whoever finds it finds the rest as well, and rows of the log that go beyond it are forgotten.
  WriteFile(options_.folder + kStateFile,
            SerializeState({parameters_, optimizer_, average_}, step_, config_.Identity()));
}

void Trainer::ShowSamples() const {
  char name[64];
  std::snprintf(name, sizeof name, "/samples/step-%08ld.png", static_cast<long>(step_));
  WriteFile(options_.folder + name, objective_.DrawSheet(options_.folder + "/model", options_.threads));
}

void Trainer::Report(double seconds, bool row) const {
  if (!options_.report) return;
  const double seconds_a_step = seconds / static_cast<double>(loss_steps_);
  options_.report({.step = step_,
                   .steps = config_.steps,
                   .loss = loss_sum_ / static_cast<double>(loss_steps_),
                   .pictures_a_second = static_cast<double>(config_.batch) / seconds_a_step,
                   .seconds_left = seconds_a_step * static_cast<double>(config_.steps - step_),
                   .row = row});
}

void Trainer::Run(const std::atomic<bool>& stop) {
  Clock::time_point logged = Clock::now();
  while (step_ < config_.steps && !stop) {
    loss_sum_ += Step();
    ++loss_steps_;
    const bool last = step_ == config_.steps, row = last || step_ % config_.log_every == 0;
    if (row) log_.Add({step_, loss_sum_ / static_cast<double>(loss_steps_), config_.learning_rate.At(step_)});
    Report(std::chrono::duration<double>(Clock::now() - logged).count(), row);
    if (row) {
      loss_sum_ = 0;
      loss_steps_ = 0;
      logged = Clock::now();
    }
    if (step_ % config_.checkpoint_every == 0 || last) Store();
    if (last || (config_.sample_every > 0 && step_ % config_.sample_every == 0)) {
      if (step_ % config_.checkpoint_every != 0 && !last) StoreModel();
      ShowSamples();
    }
  }
  if (stop && step_ < config_.steps) Store();
}

}  // namespace mind::training
