// How values of a scheduler_config.json are read. All throw ModelError naming key and value.
#ifndef MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_VALUES_H_
#define MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_VALUES_H_

#include <cstdint>
#include <sstream>
#include <string>

#include "worker/diffusion/samplers/words.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// As Python reads a flag: null is false.
inline bool Flag(const Config& config, const char* key, bool fallback) {
  return config.Null(key) ? false : config.Bool(key, fallback);
}

// A number that must lie in a range wide enough for every use, and narrow enough to reckon with.
inline double Within(const Config& config, const char* key, double fallback, double least, double most) {
  const double value = config.Double(key, fallback);
  if (value >= least && value <= most) return value;
  std::ostringstream allowed;
  allowed << least << " to " << most;
  config.Unsupported(key, allowed.str());
}

inline int64_t Within(const Config& config, const char* key, int64_t fallback, int64_t least, int64_t most) {
  const int64_t value = config.Int(key, fallback);
  if (value < least || value > most) {
    config.Unsupported(key, std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

template <size_t N>
std::string Listed(const char* const (&words)[N]) {
  std::string list;
  for (const char* const word : words) list += std::string(list.empty() ? "" : ", ") + word;
  return list;
}

// Throws unless the value is one of the words; where unset it is the first.
template <size_t N>
std::string OneOf(const Config& config, const char* key, const char* const (&words)[N]) {
  const std::string found = config.String(key, words[0]);
  for (const char* const word : words) {
    if (found == word) return found;
  }
  config.Unsupported(key, Listed(words));
}

template <typename Value, size_t N>
void Choose(const Config& config, const char* key, const Word<Value> (&words)[N], Value& chosen) {
  if (config.Unset(key)) return;
  const std::string found = config.String(key, "");
  std::string known;
  for (const auto& [word, value] : words) {
    if (found == word) {
      chosen = value;
      return;
    }
    known += std::string(known.empty() ? "" : ", ") + word;
  }
  config.Unsupported(key, known);
}

inline void RefuseSet(const Config& config, const char* key) {
  if (!config.Unset(key)) config.Unsupported(key, "null");
}

inline void RefuseTrue(const Config& config, const char* key) {
  if (Flag(config, key, false)) config.Unsupported(key, "false");
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_SAMPLERS_SCHEDULER_VALUES_H_
