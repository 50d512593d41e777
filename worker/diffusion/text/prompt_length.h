// How many tokens a model reads, and prompts made as long as that.
#ifndef MIND_WORKER_DIFFUSION_TEXT_PROMPT_LENGTH_H_
#define MIND_WORKER_DIFFUSION_TEXT_PROMPT_LENGTH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// What tokenizer_config.json says; `fallback` where unset. Throws UnsupportedError where it is less than 2 or
// more than `most`.
inline size_t ModelLength(const Config& config, int64_t fallback, int64_t most) {
  const int64_t length = config.Int("model_max_length", fallback);
  if (length < 2 || length > most) config.Unsupported("model_max_length", "2 to " + std::to_string(most));
  return static_cast<size_t>(length);
}

// Filled with `padding`; or cut, and then `end` is the last all the same.
inline std::vector<int64_t> PaddedOrCut(std::vector<int64_t> ids, size_t length, int64_t end,
                                        int64_t padding) {
  const bool cut = ids.size() > length;
  ids.resize(length, padding);
  if (cut && length > 0) ids.back() = end;
  return ids;
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_PROMPT_LENGTH_H_
