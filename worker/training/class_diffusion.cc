#include "worker/training/class_diffusion.h"

#include <cmath>
#include <filesystem>
#include <numbers>

#include "worker/diffusion/models/dropout.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/files.h"

namespace mind::training {
namespace {

using diffusion::Config;

constexpr int64_t kMostSteps = 100'000;

// ddpm/diffusion.py generate_linear_schedule and generate_cosine_schedule, with the bounds that ddpm/
// script_utils.py scales to the number of steps.
at::Tensor Betas(const Config& config) {
  const int64_t steps = config.Int("num_timesteps", 1000);
  if (steps < 2 || steps > kMostSteps) config.Unsupported("num_timesteps", "2 to 100000");
  const std::string schedule = config.String("schedule", "linear");
  const double n = static_cast<double>(steps);
  if (schedule == "linear") {
    const double low = config.Double("schedule_low", 1e-4), high = config.Double("schedule_high", 0.02);
    if (!(low > 0 && low <= high && high * 1000 / n < 1))
      config.Unsupported("schedule_high", "schedule_low and more, below num_timesteps / 1000");
    return at::linspace(low * 1000 / n, high * 1000 / n, steps, at::kDouble);
  }
  if (schedule != "cosine") config.Unsupported("schedule", "linear, cosine");
  const auto alpha_bar = [](double t) {
    return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2);
  };
  at::Tensor betas = at::empty({steps}, at::kDouble);
  for (int64_t i = 0; i < steps; ++i) {
    const double t = static_cast<double>(i);
    betas[i] = std::min(1 - alpha_bar((t + 1) / n) / alpha_bar(t / n), 0.999);
  }
  return betas;
}

double Dropout(const Config& config) {
  const double rate = config.Double("dropout", 0.1);
  if (!(rate >= 0 && rate < 1)) config.Unsupported("dropout", "0 to below 1");
  return rate;
}

}  // namespace

ClassDiffusion::ClassDiffusion(Parameters& parameters, nlohmann::json network)
    : network_([&] {
        network["_class_name"] = "AbarankabDDPM";
        return std::move(network);
      }()),
      unet_(diffusion::Scope(parameters), diffusion::UNetConfig::FromReportDdpm(Config(network_, "network"))),
      dropout_(Dropout(Config(network_, "network"))),
      betas_(Betas(Config(network_, "network"))) {
  const at::Tensor alpha_bars = at::cumprod(1 - betas_, 0);
  const at::Device device = parameters.tensors().begin()->second.device();
  signal_ = alpha_bars.sqrt().to(device, at::kFloat);
  noise_ = (1 - alpha_bars).sqrt().to(device, at::kFloat);
}

at::Tensor ClassDiffusion::Loss(const Examples& examples, StepRandom& random) const {
  const at::Tensor& x0 = examples.pictures;
  const at::Tensor t = random.Integers(betas_.size(0), {x0.size(0)}).to(x0.device());
  const at::Tensor noise = random.Normal(x0.sizes()).to(x0.device());
  const auto of_row = [&t](const at::Tensor& table) { return table.index({t}).view({-1, 1, 1, 1}); };
  const diffusion::DropoutScope dropout(dropout_, random.generator());
  const at::Tensor predicted = unet_({.sample = of_row(signal_) * x0 + of_row(noise_) * noise,
                                      .timestep = t.to(at::kFloat),
                                      .context = {},
                                      .label = class_count() > 0 ? examples.labels : at::Tensor()});
  return at::mse_loss(predicted, noise);
}

void ClassDiffusion::WriteModel(const std::string& directory, const Tensors& parameters) const {
  std::filesystem::create_directories(directory);
  Tensors tensors = parameters;
  tensors["betas"] = betas_.to(at::kFloat);
  WriteFile(directory + "/model.safetensors", diffusion::SerializeSafeTensors(tensors));
  WriteFile(directory + "/config.json", network_.dump(1) + "\n");
}

}  // namespace mind::training
