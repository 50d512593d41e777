// How much memory weights take that several may hold: each content once.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_CONTENT_LEDGER_H_
#define MIND_WORKER_DIFFUSION_ENGINE_CONTENT_LEDGER_H_

#include <cstdint>
#include <map>

#include "worker/diffusion/weights/droppable.h"

namespace mind::diffusion {

// Not thread-safe.
class ContentLedger {
 public:
  void Reserve(const WeightContents& contents) {
    for (const auto& [content, bytes] : contents) {
      if (++holders_[content] == 1) bytes_ += bytes;
    }
  }
  // REQUIRES: they are reserved.
  void GiveBack(const WeightContents& contents) {
    for (const auto& [content, bytes] : contents) {
      const auto holders = holders_.find(content);
      if (--holders->second > 0) continue;
      holders_.erase(holders);
      bytes_ -= bytes;
    }
  }

  // Of all that is reserved.
  int64_t bytes() const { return bytes_; }
  // That these would take beside it.
  int64_t Missing(const WeightContents& contents) const {
    int64_t missing = 0;
    for (const auto& [content, bytes] : contents) {
      if (holders_.count(content) == 0) missing += bytes;
    }
    return missing;
  }

 private:
  int64_t bytes_ = 0;
  std::map<uint64_t, int64_t> holders_;  // how many hold a content
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_CONTENT_LEDGER_H_
