// How a cache of models follows its folder: those of ModelCache's functions that look at it again.
#include <algorithm>
#include <optional>
#include <set>

#include "worker/diffusion/engine/model_cache.h"

namespace mind::diffusion {
namespace {

std::optional<ModelStamp> StampIn(const std::map<std::string, ModelStamp>& stamps, const std::string& path) {
  const auto found = stamps.find(path);
  return found == stamps.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

ModelCache::Changes ModelCache::LookAgain(bool load) {
  Changes changes;
  std::map<std::string, ModelStamp> now = StampsIn(folder_);
  std::set<std::string> paths;
  for (const auto* const stamps : {&known_, &now}) {
    for (const auto& [path, stamp] : *stamps) paths.insert(path);
  }
  std::vector<std::string> changed;
  for (const std::string& path : paths) {
    const std::optional<ModelStamp> stamp = StampIn(now, path);
    if (stamp == StampIn(known_, path)) continue;
    if (stamp == StampIn(seen_, path)) {
      changed.push_back(path);
    } else {
      changes.settling = true;
    }
  }
  seen_ = std::move(now);
  // What has gone first: another may have its name now.
  std::stable_partition(changed.begin(), changed.end(),
                        [this](const std::string& path) { return seen_.count(path) == 0; });
  for (const std::string& path : changed) {
    {
      const MutexLock lock(mutex_);
      std::erase_if(rejected_, [&path](const Rejected& rejected) { return rejected.path == path; });
    }
    const auto stamp = seen_.find(path);
    if (stamp != seen_.end()) {
      known_[path] = stamp->second;
      Renew(path, stamp->second, load, changes);
      continue;
    }
    known_.erase(path);
    if (const SlotPtr gone = SlotAt(path)) {
      Retire(gone);
      changes.withdrawn.push_back(gone->name);
    }
  }
  for (const Rejected& rejected : this->rejected()) {
    if (std::find(changed.begin(), changed.end(), rejected.path) != changed.end())
      changes.rejected.push_back(rejected);
  }
  return changes;
}

void ModelCache::Renew(const std::string& path, const ModelStamp& stamp, bool load, Changes& changes) {
  const SlotPtr before = SlotAt(path), now = Consider(path, stamp);
  if (before != nullptr && now != nullptr && before->revision == now->revision &&
      before->words == now->words) {
    if (TakeDescription(*before, *now)) changes.renewed.push_back(now->name);
    return;
  }
  if (before != nullptr) Retire(before);
  bool served = now != nullptr;
  if (served) {
    Serve(now);
    try {
      if (load) Get(now->name);
    } catch (const NoRoomNow&) {
      // It is loaded when there is.
    } catch (const std::exception& e) {
      Reject(path, e);
      Retire(now);
      served = false;
    }
  }
  if (served) (before == nullptr ? changes.added : changes.replaced).push_back(now->name);
  if (!served && before != nullptr) changes.withdrawn.push_back(before->name);
}

bool ModelCache::TakeDescription(Slot& slot, const Slot& now) {
  const MutexLock lock(mutex_);
  slot.largest_part = now.largest_part;
  if (slot.info == now.info) return false;
  slot.info = now.info;
  return true;
}

}  // namespace mind::diffusion
