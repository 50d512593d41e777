// How many tokens a model reads, in tokenizer_config.json.
#ifndef MIND_WORKER_DIFFUSION_TEXT_MODEL_LENGTH_H_
#define MIND_WORKER_DIFFUSION_TEXT_MODEL_LENGTH_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// `fallback` where unset. Throws UnsupportedError where it is less than 2 or more than `most`.
inline size_t ModelLength(const Config& config, int64_t fallback, int64_t most) {
  const int64_t length = config.Int("model_max_length", fallback);
  if (length < 2 || length > most) config.Unsupported("model_max_length", "2 to " + std::to_string(most));
  return static_cast<size_t>(length);
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_MODEL_LENGTH_H_
