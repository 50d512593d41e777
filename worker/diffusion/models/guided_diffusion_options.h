// What the options of OpenAI's guided-diffusion and of GLIDE, which comes of it, say in the same words.
#ifndef MIND_WORKER_DIFFUSION_MODELS_GUIDED_DIFFUSION_OPTIONS_H_
#define MIND_WORKER_DIFFUSION_MODELS_GUIDED_DIFFUSION_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// "1,2,3,4", as they write lists; empty where there is none. Throws ModelError.
std::vector<int64_t> NumbersIn(const Config& config, const std::string& key);

// The channels of each level as multiples of the first's: "channel_mult", or by the pictures' size. Throws
// ModelError.
std::vector<int64_t> ChannelMultiples(const Config& config, int64_t image_size);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_MODELS_GUIDED_DIFFUSION_OPTIONS_H_
