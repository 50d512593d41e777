// Encoded prompts, least recently used out first: a negative prompt is the same in most requests.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_PROMPT_CACHE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_PROMPT_CACHE_H_

#include <ATen/ATen.h>

#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

namespace mind::diffusion {

// Thread-safe. The cached tensors are shared and must not be written to.
class PromptCache {
 public:
  explicit PromptCache(size_t capacity) : capacity_(capacity) {}

  // The value for `key`, from `encode` the first time. Encodes outside the lock: two threads asking for the
  // same new key may both encode it; the arithmetic is the same.
  at::Tensor Get(const std::string& key, const std::function<at::Tensor()>& encode);

 private:
  using Entry = std::pair<std::string, at::Tensor>;

  const size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // most recently used first; guarded by mutex_
  std::unordered_map<std::string, std::list<Entry>::iterator> index_;  // guarded by mutex_
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_PROMPT_CACHE_H_
