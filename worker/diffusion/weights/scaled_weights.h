// Weights that are kept small beside scales that make them whole again, as ComfyUI writes them.
#ifndef MIND_WORKER_DIFFUSION_WEIGHTS_SCALED_WEIGHTS_H_
#define MIND_WORKER_DIFFUSION_WEIGHTS_SCALED_WEIGHTS_H_

#include "worker/diffusion/weights/named_tensors.h"

namespace mind::diffusion {

// Each LAYER.weight that has a LAYER.scale_weight or LAYER.weight_scale (one number, or one a row) times
// that, in float32; of whole numbers ("int8_tensorwise") with its inputs rotated back where they were rotated
// ("convrot"). The scales, those of layers' inputs, which only computing in few bits needs, and the marks of
// the format (scaled_fp8, be it after a prefix and a dot; LAYER.comfy_quant, or the file's
// _quantization_metadata) are left out. Where there are none, as given. Throws ModelError where a scale has
// no weight, another shape or no number, and where a weight is not of its format; UnsupportedError naming a
// format that is neither float8's nor that. Source: ComfyUI, QUANTIZATION.md.
NamedTensors WithScales(NamedTensors stored);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_WEIGHTS_SCALED_WEIGHTS_H_
