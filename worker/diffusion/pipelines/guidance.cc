#include "worker/diffusion/pipelines/guidance.h"

namespace mind::diffusion {

at::Tensor Guide(const Conditioning& conditioning, const std::vector<at::Tensor>& outputs) {
  if (outputs.size() == 1) return outputs[0];
  if (const int64_t channels = conditioning.guided_channels; channels > 0) {
    Conditioning all = conditioning;
    all.guided_channels = 0;
    return at::cat({Guide(all, {outputs[0].slice(0, 0, channels), outputs[1].slice(0, 0, channels)}),
                    outputs[1].slice(0, channels)});
  }
  const at::Tensor& without = outputs[0];
  const at::Tensor& with = outputs[1];
  const at::Tensor guided = without + conditioning.guidance * (with - without);
  if (conditioning.guidance_rescale == 0) return guided;
  const at::Tensor rescaled = guided * (with.std() / guided.std());
  return conditioning.guidance_rescale * rescaled + (1 - conditioning.guidance_rescale) * guided;
}

at::Tensor EvaluateAlone(const Denoiser& denoiser, const Conditioning& conditioning, const at::Tensor& x,
                         double timestep) {
  const AdapterScope scope({conditioning.adapters});
  std::vector<at::Tensor> outputs;
  for (const Told& row : conditioning.rows) {
    const DenoiserInput input{.sample = x.unsqueeze(0),
                              .timestep = at::full({1}, timestep, x.options()),
                              .told = Told::Stack({&row})};
    outputs.push_back(denoiser(input).squeeze(0));
  }
  return Guide(conditioning, outputs);
}

}  // namespace mind::diffusion
