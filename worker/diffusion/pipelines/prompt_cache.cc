#include "worker/diffusion/pipelines/prompt_cache.h"

namespace mind::diffusion {

at::Tensor PromptCache::Get(const std::string& key, const std::function<at::Tensor()>& encode) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(key);
    if (found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return found->second->second;
    }
  }
  const at::Tensor value = encode();
  const std::lock_guard lock(mutex_);
  if (index_.count(key) == 0) {
    entries_.emplace_front(key, value);
    index_[key] = entries_.begin();
    if (entries_.size() > capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
  }
  return value;
}

}  // namespace mind::diffusion
