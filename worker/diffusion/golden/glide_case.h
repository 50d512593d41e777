// A recorded call of one of GLIDE's networks.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_GLIDE_CASE_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_GLIDE_CASE_H_

#include <vector>

#include "worker/diffusion/golden/record.h"
#include "worker/diffusion/models/glide_text.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/glide.h"

namespace mind::diffusion {

struct GlideOutputs {
  at::Tensor context;     // [B, positions, width]
  at::Tensor projection;  // [B, width of the time embedding], of the last position
  at::Tensor output;      // [B, 6, H, W]
};

// A network's options as Taichu-GLIDE's text transformer computes.
inline Config AsTaichu(nlohmann::json options) {
  options["xf_activation"] = "gelu-approximate";
  options["xf_norm_eps"] = 1e-7;
  return Config(std::move(options), "the case's options");
}

// The answer to in.x, in.timesteps, in.tokens, in.mask and, for an upsampler, in.low_res, of a network with
// these options and weights (names/glide_names.h).
inline GlideOutputs RunGlideCase(const Config& options, const NamedTensors& stored, const Record& record,
                                 const FileParameters::Options& parameters) {
  FileParameters weights(stored, parameters);
  const UNet unet(Scope(weights, "unet"), UNetConfig::FromGlide(options));
  const GlideText text(Scope(weights, "text"), GlideTextConfig::From(options));
  weights.ExpectAllTaken();
  const auto in = [&](const char* name) {
    return record.Get(std::string("in.") + name).to(parameters.device);
  };
  // Each prompt at its own length; the text transformer pads by itself.
  std::vector<at::Tensor> contexts;
  const at::Tensor tokens = in("tokens"), mask = in("mask");
  for (int64_t row = 0; row < tokens.size(0); ++row) {
    const int64_t length = mask[row].sum().item<int64_t>();
    contexts.push_back(text.Encode(tokens[row].slice(0, 0, length).unsqueeze(0)));
  }
  at::Tensor sample = in("x");
  if (record.Has("in.low_res"))
    sample = at::cat({sample, GlideLowResolution(in("low_res"), sample.sizes().slice(2))}, 1);
  const at::Tensor context = at::cat(contexts);
  // What the UNet adds to its time embedding.
  const Linear projection(Scope(weights, "unet") / "add_embedding", text.width(), unet.config().time_width);
  return {context, projection(context.select(1, -1)),
          unet({.sample = sample,
                .timestep = in("timesteps").to(at::kFloat),
                .told = {{Condition::kText, context}}})};
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_GLIDE_CASE_H_
