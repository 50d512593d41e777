// Weights that are kept small beside scales that make them whole again, as ComfyUI writes them.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_SCALED_WEIGHTS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_SCALED_WEIGHTS_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Each LAYER.weight that has a LAYER.scale_weight or LAYER.weight_scale (one number, or one a row) times
// that, in float32. The scales, those of layers' inputs, which only computing in float8 needs, and the marks
// of the format (scaled_fp8, be it after a prefix and a dot, LAYER.comfy_quant) are left out. Where there are
// none, as given. Throws ModelError where a scale has no weight or another shape, UnsupportedError naming a
// format that is none of float8's. Source: ComfyUI, QUANTIZATION.md.
NamedTensors WithScales(NamedTensors stored);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_SCALED_WEIGHTS_H_
