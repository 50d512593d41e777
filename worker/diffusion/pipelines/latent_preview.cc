#include "worker/diffusion/pipelines/latent_preview.h"

#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kPictures = 4;
constexpr int64_t kLatentSize = 16;
constexpr int64_t kCoarseSize = 4;  // real latents are smooth; white noise decodes to mush
constexpr uint64_t kSeed = 0;       // the map must be the same on every worker
// Keeps the fit calm in directions the latents hardly use, relative to the latents' own variance.
constexpr double kRidge = 1e-3;

}  // namespace

LatentPreview LatentPreview::Fit(const AutoencoderKl& autoencoder, at::Device device) {
  const AutoencoderConfig& config = autoencoder.config();
  const Decode decode = [&](const at::Tensor& latents) {
    return autoencoder.Decode(config.Unscaled(latents).to(device));
  };
  return Fit(decode, config.latent_channels, device);
}

LatentPreview LatentPreview::Fit(const Decode& decode, int64_t channels, at::Device device) {
  SeededNoise noise(kSeed);
  const at::Tensor coarse = noise.Draw({kPictures, channels, kCoarseSize, kCoarseSize});
  // 1.3: interpolation averages; this brings the values back to about unit variance, which scaled latents
  // have.
  const at::Tensor latents =
      1.3 * at::upsample_bilinear2d(coarse, {kLatentSize, kLatentSize}, /*align_corners=*/false) +
      0.2 * noise.Draw({kPictures, channels, kLatentSize, kLatentSize});
  const at::Tensor pictures = (decode(latents) / 2 + 0.5).clamp(0, 1);
  const at::Tensor colours =
      at::adaptive_avg_pool2d(pictures.cpu().to(at::kFloat), {kLatentSize, kLatentSize});

  const auto rows = [](const at::Tensor& maps) {
    return maps.to(at::kDouble).permute({0, 2, 3, 1}).flatten(0, 2);
  };
  const at::Tensor x = rows(latents);
  const at::Tensor y = rows(colours);
  const at::Tensor centred_x = x - x.mean(0);
  const at::Tensor centred_y = y - y.mean(0);
  const at::Tensor ridge = at::eye(x.size(1), x.options()) * (kRidge * static_cast<double>(x.size(0)));
  const at::Tensor normal = centred_x.t().mm(centred_x) + ridge;
  const at::Tensor weight = at::linalg_inv(normal).mm(centred_x.t().mm(centred_y));  // [C, 3]
  const at::Tensor bias = y.mean(0) - x.mean(0).unsqueeze(0).mm(weight).squeeze(0);
  const double residual = (centred_y - centred_x.mm(weight)).pow(2).sum().item<double>();
  const double total = centred_y.pow(2).sum().item<double>();
  return LatentPreview(weight.t().to(at::kFloat).contiguous().to(device), bias.to(at::kFloat).to(device),
                       total > 0 ? 1 - residual / total : 1);
}

at::Tensor LatentPreview::operator()(const at::Tensor& latent) const {
  const at::Tensor flat = latent.to(at::kFloat).flatten(1);
  return at::addmm(bias_.unsqueeze(1), weight_, flat)
      .clamp(0, 1)
      .reshape({3, latent.size(1), latent.size(2)});
}

}  // namespace mind::diffusion
