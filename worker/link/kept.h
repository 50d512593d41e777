// What the server may not have yet, in case the stream breaks: the newest checkpoint of each picture, and
// finished pictures that the server has not said it has taken.
#ifndef MIND_WORKER_LINK_KEPT_H_
#define MIND_WORKER_LINK_KEPT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "worker/link/outbox.h"

namespace mind {

// Both are facts about the job, whichever attempt made them. Bounded in bytes: what was kept longest gives
// way. Not thread-safe.
class Kept {
 public:
  explicit Kept(size_t max_bytes) : max_bytes_(max_bytes) {}

  // Takes from a report what there is to keep, and lets go of what it makes needless. Gives what gave way.
  std::vector<ReportPtr> Note(const ReportPtr& report);
  // The server has taken the picture, or does not want it.
  void Forget(const v1::ImageRef& image) { Remove(KeyOf(image)); }
  // Of what `offered` holds, forgets what nothing newer has replaced.
  void Forget(const std::vector<ReportPtr>& offered);

  // For the next stream: results first, each in the order in which it came.
  std::vector<ReportPtr> All() const;
  // Of this picture; null if there is nothing.
  ReportPtr Find(const v1::ImageRef& image) const;
  bool has_results() const { return results_ > 0; }

 private:
  using Key = std::pair<std::string, uint32_t>;  // job, picture
  struct Entry {
    ReportPtr report;  // a checkpoint or a result
    uint64_t number = 0;
  };

  static Key KeyOf(const v1::ImageRef& image) { return {image.job_id(), image.image_index()}; }
  void Put(const Key& key, ReportPtr report);
  void Remove(const Key& key);

  const size_t max_bytes_;
  std::map<Key, Entry> entries_;
  size_t bytes_ = 0;
  size_t results_ = 0;
  uint64_t next_number_ = 0;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_KEPT_H_
