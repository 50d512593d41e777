#include "worker/diffusion/pipelines/guidance.h"

namespace mind::diffusion {

at::Tensor Guide(const Conditioning& conditioning, const std::vector<at::Tensor>& outputs) {
  if (outputs.size() == 1) return outputs[0];
  const at::Tensor& without = outputs[0];
  const at::Tensor& with = outputs[1];
  const at::Tensor guided = without + conditioning.guidance * (with - without);
  if (conditioning.guidance_rescale == 0) return guided;
  const at::Tensor rescaled = guided * (with.std() / guided.std());
  return conditioning.guidance_rescale * rescaled + (1 - conditioning.guidance_rescale) * guided;
}

}  // namespace mind::diffusion
