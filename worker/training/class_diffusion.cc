#include "worker/training/class_diffusion.h"

#include <cmath>
#include <filesystem>
#include <numbers>

#include "worker/diffusion/error.h"
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
      betas_(Betas(Config(network_, "network"))) {
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
  const at::Tensor predicted = unet_(
      {.sample = of_row(signal_) * x0 + of_row(noise_) * noise,
       .timestep = t.to(at::kFloat),
       .context = {},
       .label = unet_.config().class_count > 0 ? pictures_.labels.index({rows}).to(device) : at::Tensor()});
  return at::mse_loss(predicted, noise);
}

void ClassDiffusion::WriteModel(const std::string& directory, const Tensors& parameters) const {
  std::filesystem::create_directories(directory);
  Tensors tensors = parameters;
  tensors["betas"] = betas_.to(at::kFloat);
  WriteFile(directory + "/model.safetensors", diffusion::SerializeSafeTensors(tensors));
  WriteFile(directory + "/config.json", network_.dump(1) + "\n");
}

std::string ClassDiffusion::DrawSheet(const std::string& directory, int threads) const {
  SampleSheet sheet = sheet_;
  sheet.model = directory;
  sheet.threads = threads;
  return DrawSamples(sheet);
}

}  // namespace mind::training
