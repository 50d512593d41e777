// End-to-end cases of models on pixels, whose records differ from those of diffusers' latent pipelines.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_PIXEL_CASES_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_PIXEL_CASES_H_

#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {

// Score-SDE and the report's DDPM: one chain, its noise recorded in drawing order. False if `item` is another
// kind of case.
bool CheckChain(const nlohmann::json& item, const SafeTensors& record, const GoldenOptions& options,
                Report::Case& result);

// GLIDE's two stages, each by itself: the second is fed the recorded picture of the first, since rounding
// that to bytes turns the smallest difference into a visible one. False if `item` is another kind of case.
bool CheckGlide(const nlohmann::json& item, const SafeTensors& record, const GoldenOptions& options,
                Report::Case& result);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_PIXEL_CASES_H_
