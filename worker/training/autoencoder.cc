#include "worker/training/autoencoder.h"

#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/files.h"
#include "worker/training/reconstruction.h"

namespace mind::training {
namespace {

using diffusion::AutoencoderConfig;
using diffusion::AutoencoderKl;
using diffusion::Config;

constexpr int64_t kMeasured = 1024;       // examples from which the latents' mean and deviation are taken
constexpr int64_t kChunk = 32;            // examples encoded at a time
constexpr double kFirstLogVariance = -5;  // so that noise does not drown what is to be learnt first
constexpr double kInverse = 0.01;         // how far fp16 takes two inverse layers from nothing

nlohmann::json Named(nlohmann::json network) {
  network["_class_name"] = "AutoencoderKL";
  network["scaling_factor"] = 1.0;
  return network;
}

at::Tensor Diagonal(const at::Tensor& values) {
  return at::diag(values).unsqueeze(-1).unsqueeze(-1);
}

}  // namespace

AutoencoderKl ReadAutoencoder(const std::string& folder, at::Device device) {
  const at::NoGradGuard no_grad;
  diffusion::FileParameters weights(diffusion::ReadComponent(folder), {.device = device});
  AutoencoderKl autoencoder(diffusion::Scope(weights),
                            AutoencoderConfig::From(Config::FromFile(folder + "/config.json")));
  weights.ExpectAllTaken();
  return autoencoder;
}

at::Tensor LatentsOf(const AutoencoderKl& autoencoder, const CaptionedSet& set, int64_t count,
                     at::Device device) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> latents;
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const std::vector<int64_t> chunk = Consecutive(begin, std::min(kChunk, count - begin));
    latents.push_back(autoencoder.EncodeMoments(set.OnWhite(chunk).to(device)).chunk(2, 1)[0]);
  }
  return at::cat(latents);
}

Autoencoder::Autoencoder(const RunConfig& config, CaptionedSet set, Parameters& parameters)
    : set_(std::move(set)),
      network_(Named(config.network)),
      kl_weight_(config.kl_weight),
      device_(parameters.device()),
      reconstruction_loss_(config.reconstruction, device_),
      autoencoder_(diffusion::Scope(parameters), AutoencoderConfig::From(Config(network_, "network"))) {
  ExpectWholeLatents(set_, autoencoder_.config());
  const at::NoGradGuard no_grad;
  parameters.tensors()
      .at("encoder.conv_out.bias")
      .slice(0, autoencoder_.config().latent_channels)
      .fill_(kFirstLogVariance);
}

at::Tensor Autoencoder::Loss(const std::vector<int64_t>& examples, StepRandom& random) const {
  const at::Tensor x = set_.OnWhite(examples).to(device_);
  const auto halves = autoencoder_.EncodeMoments(x).chunk(2, 1);
  const at::Tensor &mean = halves[0], log_variance = halves[1].clamp(-30, 20);
  const at::Tensor y = autoencoder_.Decode(SampleLatents(mean, log_variance, random));
  const at::Tensor kl = (mean * mean + log_variance.exp() - 1 - log_variance).mean() / 2;
  return reconstruction_loss_(x, y) + kl_weight_ * kl;
}

void Autoencoder::WriteModel(const std::string& directory, const Tensors& parameters) const {
  const at::NoGradGuard no_grad;
  diffusion::FileParameters source({"the parameters", parameters}, {.device = device_});
  const AutoencoderKl averaged(diffusion::Scope(source), autoencoder_.config());
  const at::Tensor latents = LatentsOf(averaged, set_, std::min(set_.count(), kMeasured), device_);
  const at::Tensor all = latents.transpose(0, 1).flatten(1);
  const at::Tensor mean = all.mean(1).cpu(), deviation = all.std(1).clamp_min(1e-4).cpu();

  Tensors tensors;
  for (const auto& [name, tensor] : parameters) tensors[name] = tensor.to(at::kHalf);
  // (mean - μ) / σ, and the variance with it; and back.
  const at::Tensor ones = at::ones_like(mean);
  tensors["quant_conv.weight"] = Diagonal(at::cat({1 / deviation, ones}));
  tensors["quant_conv.bias"] = at::cat({-mean / deviation, -2 * deviation.log()});
  tensors["post_quant_conv.weight"] = Diagonal(deviation);
  tensors["post_quant_conv.bias"] = mean;
  std::filesystem::create_directories(directory);
  WriteFile(directory + "/diffusion_pytorch_model.safetensors", diffusion::SerializeSafeTensors(tensors));
  WriteFile(directory + "/config.json", network_.dump(1) + "\n");
}

Tensors Autoencoder::ReadModel(const std::string& directory) const {
  const at::NoGradGuard no_grad;
  Tensors tensors = diffusion::ReadComponent(directory).tensors;
  if (tensors.contains("quant_conv.weight")) {
    // There and back must be nothing, as in what WriteModel makes: the parameters have no such layers.
    const int64_t channels = autoencoder_.config().latent_channels;
    const auto matrix = [&](const char* layer) {
      return tensors.at(std::string(layer) + ".weight").to(at::kFloat).slice(0, 0, channels).flatten(1);
    };
    const auto bias = [&](const char* layer) {
      return tensors.at(std::string(layer) + ".bias").to(at::kFloat).slice(0, 0, channels);
    };
    const at::Tensor there = matrix("quant_conv").slice(1, 0, channels), back = matrix("post_quant_conv");
    const at::Tensor turned = at::matmul(back, there) - at::eye(channels);
    const at::Tensor moved = at::mv(back, bias("quant_conv")) + bias("post_quant_conv");
    if (turned.abs().max().item<double>() > kInverse || moved.abs().max().item<double>() > kInverse) {
      throw diffusion::ModelError(directory +
                                  ": its post_quant_conv does not undo its quant_conv, so it is not one that "
                                  "mind-train can go on with");
    }
  }
  return tensors;
}

std::string Autoencoder::DrawSheet(const std::string& directory, int) const {
  return DrawReconstructions(ReadAutoencoder(directory, device_), set_, device_);
}

}  // namespace mind::training
