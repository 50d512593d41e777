// A recorded call of one of GLIDE's networks.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_GLIDE_CASE_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_GLIDE_CASE_H_

#include <vector>

#include "worker/diffusion/models/glide_text.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {

struct GlideOutputs {
  at::Tensor context;  // [B, positions, width]
  at::Tensor output;   // [B, 6, H, W]
};

// Of in.x, in.timesteps, in.tokens, in.mask and, for an upsampler, in.low_res.
inline GlideOutputs RunGlideCase(const UNet& unet, const GlideText& text, const SafeTensors& record,
                                 at::Device device) {
  const auto in = [&](const char* name) { return record.Get(std::string("in.") + name).to(device); };
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
  return {
      context,
      unet({.sample = sample, .timestep = in("timesteps").to(at::kFloat), .context = context, .label = {}})};
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_GLIDE_CASE_H_
