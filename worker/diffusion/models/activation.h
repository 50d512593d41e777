// The nonlinearities that configurations name.
#ifndef MIND_WORKER_DIFFUSION_MODELS_ACTIVATION_H_
#define MIND_WORKER_DIFFUSION_MODELS_ACTIVATION_H_

#include <ATen/ATen.h>

#include <string>

#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// kGeluTanh is GELU by its tanh approximation (Hendrycks & Gimpel 2016), as JAX and MindSpore compute it;
// kQuickGelu is x·sigmoid(1.702 x), as OpenAI's CLIP does.
enum class Activation { kSilu, kMish, kRelu, kGelu, kGeluTanh, kQuickGelu };

at::Tensor Activate(Activation activation, const at::Tensor& x);

// The one that a configuration's key names, in diffusers' and transformers' words; `fallback` where unset.
// Throws UnsupportedError.
Activation ReadActivation(const Config& config, const std::string& key, Activation fallback);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_ACTIVATION_H_
