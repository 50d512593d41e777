#include "worker/diffusion/models/spatial_norm.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kSpatialGroups = 32;
constexpr double kSpatialEpsilon = 1e-6;

}  // namespace

SpatialNorm::SpatialNorm(const Scope& scope, int64_t channels, int64_t latent_channels)
    : norm_(scope / "norm_layer", kSpatialGroups, channels, kSpatialEpsilon),
      scale_(scope / "conv_y", latent_channels, channels, k1x1),
      shift_(scope / "conv_b", latent_channels, channels, k1x1) {}

at::Tensor SpatialNorm::operator()(const at::Tensor& x, const at::Tensor& latents) const {
  const at::Tensor z = at::upsample_nearest2d(latents, x.sizes().slice(2));
  return norm_(x) * scale_(z) + shift_(z);
}

BlockNorm::BlockNorm(const Scope& scope, int64_t channels, int64_t latent_channels, int64_t groups,
                     double epsilon) {
  if (latent_channels > 0) {
    spatial_.emplace(scope, channels, latent_channels);
  } else {
    plain_.emplace(scope, groups, channels, epsilon);
  }
}

at::Tensor BlockNorm::Modulated(const at::Tensor& x, const Signals& signals, const at::Tensor& scale,
                                const at::Tensor& shift, Activation activation) const {
  if (plain_) return plain_->Modulated(x, scale, shift, activation);
  const auto as_map = [](const at::Tensor& rows) { return rows.unsqueeze(-1).unsqueeze(-1); };
  return Activate(activation, (*this)(x, signals) * (1 + as_map(scale)) + as_map(shift));
}

}  // namespace mind::diffusion
