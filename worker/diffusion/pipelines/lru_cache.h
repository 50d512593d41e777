// The values asked for last, kept by name: encoded prompts (a negative prompt is the same in most requests),
// adapters read from files.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_LRU_CACHE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_LRU_CACHE_H_

#include <functional>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

#include "worker/diffusion/mutex.h"

namespace mind::diffusion {

// Thread-safe. Values are copied out; what they share must not be written to.
template <typename Value>
class LruCache {
 public:
  explicit LruCache(size_t capacity) : capacity_(capacity) {}

  // The value for `key`, from `make` the first time. Makes it outside the lock: two threads asking for the
  // same new key may both make it, and both must make the same.
  Value Get(const std::string& key, const std::function<Value()>& make) {
    {
      const MutexLock lock(mutex_);
      const auto found = index_.find(key);
      if (found != index_.end()) {
        entries_.splice(entries_.begin(), entries_, found->second);
        return found->second->second;
      }
    }
    Value value = make();
    const MutexLock lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) return found->second->second;
    entries_.emplace_front(key, value);
    index_[key] = entries_.begin();
    if (entries_.size() > capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return value;
  }

 private:
  using Entry = std::pair<std::string, Value>;

  const size_t capacity_;
  Mutex mutex_;
  std::list<Entry> entries_ MIND_GUARDED_BY(mutex_);  // most recently used first
  std::unordered_map<std::string, typename std::list<Entry>::iterator> index_ MIND_GUARDED_BY(mutex_);
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_LRU_CACHE_H_
