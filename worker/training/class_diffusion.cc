#include "worker/training/class_diffusion.h"

#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/dropout.h"
#include "worker/diffusion/samplers/noise_schedule.h"
#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/files.h"

namespace mind::training {
namespace {

using diffusion::Config;

constexpr int64_t kMostSteps = 100'000;

// ddpm/diffusion.py generate_linear_schedule and generate_cosine_schedule, with the bounds that ddpm/
// script_utils.py scales to the number of steps.
at::Tensor BetasOf(const Config& config) {
  diffusion::SamplerConfig noise;
  noise.double_precision = true;
  noise.train_steps = config.Int("num_timesteps", 1000);
  if (noise.train_steps < 2 || noise.train_steps > kMostSteps)
    config.Unsupported("num_timesteps", "2 to 100000");
  const std::string schedule = config.String("schedule", "linear");
  if (schedule == "linear") {
    const double scale = 1000.0 / static_cast<double>(noise.train_steps);
    noise.beta_schedule = "linear";
    noise.beta_start = config.Double("schedule_low", 1e-4) * scale;
    noise.beta_end = config.Double("schedule_high", 0.02) * scale;
    if (!(noise.beta_start > 0 && noise.beta_start <= noise.beta_end && noise.beta_end < 1))
      config.Unsupported("schedule_high", "schedule_low and more, below num_timesteps / 1000");
  } else if (schedule == "cosine") {
    noise.beta_schedule = "squaredcos_cap_v2";
  } else {
    config.Unsupported("schedule", "linear, cosine");
  }
  return at::tensor(diffusion::Betas(noise), at::kDouble);
}

double Dropout(const Config& config) {
  const double rate = config.Double("dropout", 0.1);
  if (!(rate >= 0 && rate < 1)) config.Unsupported("dropout", "0 to below 1");
  return rate;
}

}  // namespace

ClassDiffusion::ClassDiffusion(const RunConfig& config, PictureSet pictures, Parameters& parameters)
    : pictures_(std::move(pictures)),
      sheet_{.steps = config.sample_steps, .sampler = config.sampler},
      network_([&] {
        nlohmann::json network = config.network;
        network["_class_name"] = "AbarankabDDPM";
        return network;
      }()),
      unet_(diffusion::Scope(parameters), diffusion::UNetConfig::FromReportDdpm(Config(network_, "network"))),
      dropout_(Dropout(Config(network_, "network"))),
      betas_(BetasOf(Config(network_, "network"))) {
  ExpectPicturesForNetwork();
  const at::Tensor alpha_bars = at::cumprod(1 - betas_, 0);
  signal_ = alpha_bars.sqrt().to(parameters.device(), at::kFloat);
  noise_ = (1 - alpha_bars).sqrt().to(parameters.device(), at::kFloat);
}

void ClassDiffusion::ExpectPicturesForNetwork() const {
  const int64_t size = unet_.config().sample_size, classes = unet_.config().class_count;
  const int64_t height = pictures_.pictures.size(2), width = pictures_.pictures.size(3);
  if (height != size || width != size) {
    throw diffusion::ModelError("the network is for pictures of " + std::to_string(size) +
                                " pixels each way (img_size), the data has " + std::to_string(width) + "x" +
                                std::to_string(height));
  }
  const int64_t labels = pictures_.labels.max().item<int64_t>() + 1;
  if (classes > 0 && labels > classes) {
    throw diffusion::ModelError("the data has " + std::to_string(labels) + " classes, the network " +
                                std::to_string(classes) + " (num_classes)");
  }
}

at::Tensor ClassDiffusion::Loss(const std::vector<int64_t>& examples, StepRandom& random) const {
  const at::Tensor rows = at::tensor(examples, at::kLong);
  const at::Device device = signal_.device();
  const at::Tensor x0 = pictures_.pictures.index({rows}).to(device, at::kFloat) / 127.5 - 1;
  const at::Tensor t = random.Integers(betas_.size(0), {x0.size(0)}).to(device);
  const at::Tensor noise = random.Normal(x0.sizes()).to(device);
  const auto of_row = [&t](const at::Tensor& table) { return table.index({t}).view({-1, 1, 1, 1}); };
  const diffusion::DropoutScope dropout(dropout_, random.generator());
  const at::Tensor predicted =
      unet_({.sample = of_row(signal_) * x0 + of_row(noise_) * noise,
             .timestep = t.to(at::kFloat),
             .told = {{diffusion::Condition::kLabel, unet_.config().class_count > 0
                                                         ? pictures_.labels.index({rows}).to(device)
                                                         : at::Tensor()}}});
  return at::mse_loss(predicted, noise);
}

void ClassDiffusion::WriteModel(const std::string& directory, const Tensors& parameters) const {
  std::filesystem::create_directories(directory);
  Tensors tensors = parameters;
  tensors["betas"] = betas_.to(at::kFloat);
  WriteFile(directory + "/model.safetensors", diffusion::SerializeSafeTensors(tensors));
  WriteFile(directory + "/config.json", network_.dump(1) + "\n");
}

Tensors ClassDiffusion::ReadModel(const std::string& directory) const {
  return diffusion::ReadComponent(directory).tensors;
}

std::string ClassDiffusion::DrawSheet(const std::string& directory, int threads) const {
  return DrawSamples(sheet_, directory, signal_.device(), threads);
}

}  // namespace mind::training
