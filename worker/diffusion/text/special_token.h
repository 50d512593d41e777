// Special tokens in tokenizer_config.json.
#ifndef MIND_WORKER_DIFFUSION_TEXT_SPECIAL_TOKEN_H_
#define MIND_WORKER_DIFFUSION_TEXT_SPECIAL_TOKEN_H_

#include <string>

#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

// Each is a string, or an object with the string as "content". `fallback` where unset.
inline std::string SpecialToken(const Config& config, const std::string& key, const std::string& fallback) {
  if (config.Unset(key)) return fallback;
  const auto& value = config.at(key);
  if (value.is_object() && value.contains("content") && value["content"].is_string()) return value["content"];
  return config.String(key, fallback);
}

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_TEXT_SPECIAL_TOKEN_H_
