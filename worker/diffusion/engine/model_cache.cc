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
    auto slot = std::make_shared<Slot>();
    slot->info = DescribeModel(directory);
    slot->name = slot->info.name;
    slot->path = path;
    slot->words = stamp.words;
    // Reads the header of each file: one that is not whole is told by it.
    slot->contents = directory.WeightBytesByContent(options_.parameters.precision);
    const int64_t budget = options_.memory_budget, bytes = SumOf(slot->contents);
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
  Unloaded unloaded;
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
    pipeline = LoadPipeline(slot->path, options_.parameters);
    if (pipeline->info().revision != slot->revision)
      throw NotServed(slot->path + ": its files have changed since they were looked at");
  } catch (...) {
    {
      const MutexLock lock(mutex_);
      GiveBack(*slot);
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

void ModelCache::MakeRoom(Slot& slot) {
  Unloaded unloaded;
  {
    const MutexLock lock(mutex_);
    const int64_t budget = options_.memory_budget;
    std::vector<Slot*> idle = Idle();
    // What is left of all if the idle give theirs back, in thought.
    for (const Slot* other : idle) GiveBack(*other);
    const int64_t needed = used_ + Missing(slot);
    for (const Slot* other : idle) Reserve(*other);
    if (budget > 0 && needed > budget) throw NoRoomNow("no room in memory for \"" + slot.name + "\"");
    if (budget > 0) {
      for (Slot* other : GivingWay(std::move(idle), slot)) Unload(*other, unloaded);
    }
    Reserve(slot);
  }
  Destroy(std::move(unloaded));
}

std::vector<ModelCache::Slot*> ModelCache::GivingWay(std::vector<Slot*> idle, const Slot& slot) {
  std::sort(idle.begin(), idle.end(), [](Slot* a, Slot* b) { return a->last_used < b->last_used; });
  auto kept = idle.begin();
  for (; kept != idle.end() && !HasRoom(slot); ++kept) GiveBack(**kept);
  idle.erase(kept, idle.end());
  // There may be room without one of them: others hold its weights, or a later one has given more.
  std::vector<Slot*> giving_way;
  for (auto last = idle.rbegin(); last != idle.rend(); ++last) {
    Reserve(**last);
    if (HasRoom(slot)) continue;
    GiveBack(**last);
    giving_way.push_back(*last);
  }
  for (const Slot* other : giving_way) Reserve(*other);
  return giving_way;
}

bool ModelCache::HasRoom(const Slot& slot) const {
  return used_ + Missing(slot) <= options_.memory_budget;
}

int64_t ModelCache::Missing(const Slot& slot) const {
  int64_t missing = 0;
  for (const auto& [content, bytes] : slot.contents) {
    if (holders_.count(content) == 0) missing += bytes;
  }
  return missing;
}

void ModelCache::Reserve(const Slot& slot) {
  for (const auto& [content, bytes] : slot.contents) {
    if (++holders_[content] == 1) used_ += bytes;
  }
}

void ModelCache::GiveBack(const Slot& slot) {
  for (const auto& [content, bytes] : slot.contents) {
    const auto holders = holders_.find(content);
    if (--holders->second > 0) continue;
    holders_.erase(holders);
    used_ -= bytes;
  }
}

std::vector<ModelCache::Slot*> ModelCache::Idle() const {
  std::vector<Slot*> idle;
  for (const auto& [name, slot] : slots_) {
    if (slot->pipeline != nullptr && slot->leases == 0) idle.push_back(slot.get());
  }
  return idle;
}

void ModelCache::Unload(Slot& slot, Unloaded& unloaded) {
  GiveBack(slot);
  unloaded.emplace_back(slot.name, std::exchange(slot.pipeline, nullptr));
}

void ModelCache::Destroy(Unloaded unloaded) {
  for (auto& [name, pipeline] : unloaded) {
    pipeline.reset();
    if (options_.events.unloaded) options_.events.unloaded(name, weight_bytes());
  }
}

void ModelCache::UnloadIdle() {
  Unloaded unloaded;
  {
    const MutexLock lock(mutex_);
    for (Slot* slot : Idle()) Unload(*slot, unloaded);
  }
  if (unloaded.empty()) return;
  Destroy(std::move(unloaded));
  TellIdle();  // there is room for others
}

std::shared_ptr<const Pipeline> ModelCache::Lease(const SlotPtr& slot) {
  slot->last_used = ++uses_;
  ++slot->leases;
  return {slot->pipeline.get(), [this, slot](const Pipeline*) { EndLease(*slot); }};
}

void ModelCache::EndLease(Slot& slot) {
  Unloaded unloaded;
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
