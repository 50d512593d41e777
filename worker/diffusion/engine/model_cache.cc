#include "worker/diffusion/engine/model_cache.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace mind::diffusion {
namespace {

std::string Mebibytes(int64_t bytes) {
  return std::to_string((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

int64_t SumOf(const std::map<uint64_t, int64_t>& contents) {
  int64_t sum = 0;
  for (const auto& [content, bytes] : contents) sum += bytes;
  return sum;
}

// Without the stack that LibTorch's errors carry.
std::string ReasonOf(const std::exception& error) {
  const auto* const torch = dynamic_cast<const c10::Error*>(&error);
  return torch != nullptr ? torch->what_without_backtrace() : error.what();
}

}  // namespace

ModelCache::ModelCache(const std::string& folder, Options options)
    : folder_(folder), options_(std::move(options)) {
  if (options_.parameters.held == nullptr) options_.parameters.held = &held_;
  known_ = seen_ = StampsIn(folder_);
  for (const auto& [path, stamp] : known_) {
    if (SlotPtr slot = Consider(path, stamp)) Serve(std::move(slot));
  }
}

ModelCache::SlotPtr ModelCache::Consider(const std::string& path, const ModelStamp& stamp) {
  try {
    if (!ModelDirectory::LooksLikeOne(path)) return nullptr;
    const ModelDirectory directory(path);
    auto slot = std::make_shared<Slot>(*this);
    slot->info = DescribeModel(directory);
    slot->name = slot->info.name;
    slot->path = path;
    slot->words = stamp.words;
    // Reads the header of each file: one that is not whole is told by it.
    slot->core = directory.WeightBytesByContent(options_.parameters.precision);
    for (const auto& [part, contents] : directory.DroppableParts(options_.parameters.precision)) {
      for (const auto& [content, size] : contents) slot->core.erase(content);
      slot->largest_part = std::max(slot->largest_part, SumOf(contents));
    }
    for (const VaeInfo& vae : slot->info.vaes) {
      if (vae.unfit.empty())
        slot->largest_part = std::max(slot->largest_part, SumOf(ModelDirectory::VaeContents(vae.path)));
    }
    const int64_t budget = options_.memory_budget, bytes = SumOf(slot->core) + slot->largest_part;
    if (budget > 0 && bytes > budget) {
      throw ModelError(path + ": its weights need " + Mebibytes(bytes) + ", the memory budget is " +
                       Mebibytes(budget));
    }
    slot->revision = slot->info.revision = directory.Revision(options_.parameters.precision);
    slot->info.precision = NameOf(directory.PrecisionFor(options_.parameters.precision));
    const MutexLock lock(mutex_);
    if (const auto other = slots_.find(slot->name); other != slots_.end() && other->second->path != path)
      throw ModelError(path + ": " + other->second->path + " is a model of the same name");
    return slot;
  } catch (const std::exception& e) {
    Reject(path, e);
    return nullptr;
  }
}

void ModelCache::Reject(const std::string& path, const std::exception& error) {
  const MutexLock lock(mutex_);
  rejected_.push_back({path, ReasonOf(error)});
}

std::vector<ModelInfo> ModelCache::models() const {
  const MutexLock lock(mutex_);
  std::vector<ModelInfo> models;
  for (const auto& [name, slot] : slots_) models.push_back(slot->info);
  return models;
}

std::vector<ModelCache::Rejected> ModelCache::rejected() const {
  const MutexLock lock(mutex_);
  return rejected_;
}

ModelCache::SlotPtr ModelCache::SlotOf(const std::string& name) const {
  const MutexLock lock(mutex_);
  const auto found = slots_.find(name);
  if (found == slots_.end()) throw NotServed("this worker has no model named \"" + name + "\"");
  return found->second;
}

ModelCache::SlotPtr ModelCache::SlotAt(const std::string& path) const {
  const MutexLock lock(mutex_);
  for (const auto& [name, slot] : slots_) {
    if (slot->path == path) return slot;
  }
  return nullptr;
}

void ModelCache::Serve(SlotPtr slot) {
  const MutexLock lock(mutex_);
  const std::string name = slot->name;
  slots_[name] = std::move(slot);
}

void ModelCache::Retire(const SlotPtr& slot) {
  std::vector<Unloaded> unloaded;
  {
    const MutexLock lock(mutex_);
    slot->retired = true;
    slots_.erase(slot->name);
    if (slot->pipeline != nullptr && slot->leases == 0) Unload(*slot, unloaded);
  }
  Destroy(std::move(unloaded));
  TellIdle();  // who waits for it need not any longer, and there may be room for others
}

std::shared_ptr<const Pipeline> ModelCache::GetLoaded(const std::string& name) {
  const SlotPtr slot = SlotOf(name);
  const MutexLock lock(mutex_);
  return slot->pipeline != nullptr ? Lease(slot) : nullptr;
}

std::shared_ptr<const Pipeline> ModelCache::Get(const std::string& name) {
  const SlotPtr slot = SlotOf(name);
  const MutexLock loading(slot->loading);
  {
    const MutexLock lock(mutex_);
    if (slot->pipeline != nullptr) return Lease(slot);
  }
  MakeRoom(*slot);
  const auto begin = std::chrono::steady_clock::now();
  std::shared_ptr<const Pipeline> pipeline;
  try {
    FileParameters::Options parameters = options_.parameters;
    parameters.room = &slot->room;
    pipeline = LoadPipeline(slot->path, parameters);
    if (pipeline->info().revision != slot->revision)
      throw NotServed(slot->path + ": its files have changed since they were looked at");
  } catch (...) {
    {
      const MutexLock lock(mutex_);
      GiveBack({.slot = slot.get()});
    }
    TellIdle();  // the room it had reserved may do for another
    throw;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (options_.events.loaded) options_.events.loaded(name, seconds, weight_bytes());
  const MutexLock lock(mutex_);
  slot->pipeline = std::move(pipeline);
  return Lease(slot);
}

std::shared_ptr<const Pipeline> ModelCache::Lease(const SlotPtr& slot) {
  slot->last_used = ++uses_;
  ++slot->leases;
  return {slot->pipeline.get(), [this, slot](const Pipeline*) { EndLease(*slot); }};
}

void ModelCache::EndLease(Slot& slot) {
  std::vector<Unloaded> unloaded;
  {
    const MutexLock lock(mutex_);
    if (--slot.leases > 0) return;
    if (slot.retired) Unload(slot, unloaded);
  }
  Destroy(std::move(unloaded));
  TellIdle();
}

void ModelCache::TellIdle() {
  const MutexLock lock(idle_mutex_);
  if (on_idle_) on_idle_();
}

void ModelCache::NotifyIdle(std::function<void()> on_idle) {
  const MutexLock lock(idle_mutex_);
  on_idle_ = std::move(on_idle);
}

void ModelCache::Preload() {
  // Held, so that none gives way to the next.
  std::vector<std::shared_ptr<const Pipeline>> loaded;
  bool room = true;
  for (const ModelInfo& info : models()) {
    try {
      if (room) loaded.push_back(Get(info.name));
    } catch (const NoRoomNow&) {
      room = false;
    } catch (const std::exception& e) {
      const SlotPtr slot = SlotOf(info.name);
      Reject(slot->path, e);
      Retire(slot);
    }
  }
}

std::vector<std::string> ModelCache::LoadedNames() const {
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, slot] : slots_) {
    if (slot->pipeline != nullptr) names.push_back(name);
  }
  return names;
}

}  // namespace mind::diffusion
