// How a cache of models finds room in memory: those of ModelCache's functions that see to that.
#include <algorithm>
#include <tuple>
#include <utility>

#include "worker/diffusion/engine/model_cache.h"

namespace mind::diffusion {

void ModelCache::PartsOfSlot::Loaded(const Part& part, double seconds) {
  const auto& loaded = cache_.options_.events.part_loaded;
  if (loaded) loaded(slot_.name, part.name, seconds, cache_.weight_bytes());
}

void ModelCache::MakeRoom(Slot& slot) {
  std::vector<Unloaded> unloaded;
  {
    const MutexLock lock(mutex_);
    if (!GiveWay(slot.core, &slot, unloaded)) throw NoRoomNow("no room in memory for \"" + slot.name + "\"");
    Reserve({.slot = &slot});
  }
  Destroy(std::move(unloaded));
}

bool ModelCache::HasRoom(const WeightContents& wanted, const Slot* loading) const {
  const int64_t budget = options_.memory_budget;
  if (all_.bytes() + all_.Missing(wanted) > budget) return false;
  if (loading == nullptr) return true;
  int64_t largest = loading->largest_part;
  for (const Slot* slot : holding_) largest = std::max(largest, slot->largest_part);
  return cores_.bytes() + cores_.Missing(wanted) + largest <= budget;
}

std::vector<ModelCache::Idle> ModelCache::IdleOnes() const {
  // When it was used last, and whether it is what is left without the parts.
  std::vector<std::tuple<uint64_t, bool, Idle>> idle;
  for (Slot* const slot : holding_) {
    uint64_t newest = slot->last_used;
    for (const Part* const part : slot->parts) {
      newest = std::max(newest, part->last_used);
      if (part->users == 0)
        idle.emplace_back(std::max(slot->last_used, part->last_used), false,
                          Idle{.slot = slot, .part = part});
    }
    if (slot->pipeline != nullptr && slot->leases == 0) idle.emplace_back(newest, true, Idle{.slot = slot});
  }
  std::stable_sort(idle.begin(), idle.end(), [](const auto& a, const auto& b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  });
  std::vector<Idle> ordered;
  for (const auto& [used, is_core, one] : idle) ordered.push_back(one);
  return ordered;
}

bool ModelCache::GiveWay(const WeightContents& wanted, const Slot* loading, std::vector<Unloaded>& unloaded) {
  if (options_.memory_budget <= 0) return true;
  std::vector<Idle> idle = IdleOnes();
  auto kept = idle.begin();
  for (; kept != idle.end() && !HasRoom(wanted, loading); ++kept) GiveBack(*kept);
  const bool room = HasRoom(wanted, loading);
  idle.erase(kept, idle.end());
  // There may be room without one of them: others hold its weights, or a later one has given more.
  std::vector<Idle> giving_way;
  std::set<const Slot*> going;  // with all that they have
  for (auto last = idle.rbegin(); last != idle.rend(); ++last) {
    if (last->part != nullptr && going.count(last->slot) != 0) {
      giving_way.push_back(*last);
      continue;
    }
    Reserve(*last);
    if (!room || HasRoom(wanted, loading)) continue;
    GiveBack(*last);
    giving_way.push_back(*last);
    if (last->part == nullptr) going.insert(last->slot);
  }
  for (const Idle& one : giving_way) Reserve(one);
  for (const Idle& one : giving_way) {
    if (one.part == nullptr) {
      Unload(*one.slot, unloaded);
    } else if (going.count(one.slot) == 0) {
      Drop(*one.slot, *one.part, unloaded);
    }
  }
  return room;
}

void ModelCache::Reserve(const Idle& one) {
  if (one.part != nullptr) return all_.Reserve(one.part->contents);
  all_.Reserve(one.slot->core);
  cores_.Reserve(one.slot->core);
  holding_.insert(one.slot);
}

void ModelCache::GiveBack(const Idle& one) {
  if (one.part != nullptr) return all_.GiveBack(one.part->contents);
  all_.GiveBack(one.slot->core);
  cores_.GiveBack(one.slot->core);
  holding_.erase(one.slot);
}

void ModelCache::Unload(Slot& slot, std::vector<Unloaded>& unloaded) {
  for (const Part* const part : slot.parts) {
    GiveBack({.slot = &slot, .part = part});
    part->has_room = false;
  }
  slot.parts.clear();
  GiveBack({.slot = &slot});
  unloaded.push_back({slot.shared_from_this(), "", std::exchange(slot.pipeline, nullptr)});
}

void ModelCache::Drop(Slot& slot, const Part& part, std::vector<Unloaded>& unloaded) {
  GiveBack({.slot = &slot, .part = &part});
  part.has_room = false;
  slot.parts.erase(&part);
  unloaded.push_back({slot.shared_from_this(), part.name, part.Take()});
}

void ModelCache::Destroy(std::vector<Unloaded> unloaded) {
  for (auto& [slot, part, weights] : unloaded) {
    weights.reset();
    const Events& events = options_.events;
    if (part.empty() && events.unloaded) events.unloaded(slot->name, weight_bytes());
    if (!part.empty() && events.part_dropped) events.part_dropped(slot->name, part, weight_bytes());
  }
}

void ModelCache::UnloadIdle() {
  std::vector<Unloaded> unloaded;
  {
    const MutexLock lock(mutex_);
    for (const Idle& one : IdleOnes()) {
      if (one.part == nullptr) {
        Unload(*one.slot, unloaded);
      } else {
        Drop(*one.slot, *one.part, unloaded);
      }
    }
  }
  if (unloaded.empty()) return;
  Destroy(std::move(unloaded));
  TellIdle();  // there is room for others
}

bool ModelCache::OthersAreUsed(const Part& part) const {
  for (const Slot* const slot : holding_) {
    for (const Part* const other : slot->parts) {
      if (other != &part && other->users > 0) return true;
    }
  }
  return false;
}

void ModelCache::EnterPart(Slot& slot, const Part& part) {
  std::vector<Unloaded> unloaded;
  {
    const MutexLock lock(mutex_);
    part.last_used = ++uses_;
    ++part.users;
    while (!part.has_room && !GiveWay(part.contents, nullptr, unloaded)) {
      // Nobody who would leave: something larger has come since the model was let in.
      if (!OthersAreUsed(part)) {
        --part.users;
        throw ModelError("no room in memory for " + part.name + " of \"" + slot.name + "\"");
      }
      part_left_.wait(mutex_);
    }
    if (!part.has_room) {
      Reserve({.slot = &slot, .part = &part});
      slot.parts.insert(&part);
      part.has_room = true;
    }
  }
  Destroy(std::move(unloaded));
}

void ModelCache::LeavePart(Slot& slot, const Part& part) {
  {
    const MutexLock lock(mutex_);
    if (--part.users == 0 && part.has_room && !part.loaded()) {  // it could not be
      GiveBack({.slot = &slot, .part = &part});
      slot.parts.erase(&part);
      part.has_room = false;
    }
  }
  part_left_.notify_all();
  if (options_.memory_budget > 0) TellIdle();
}

void ModelCache::ForgetPart(Slot& slot, const Part& part) {
  const MutexLock lock(mutex_);
  if (!part.has_room) return;
  GiveBack({.slot = &slot, .part = &part});
  slot.parts.erase(&part);
  part.has_room = false;
}

}  // namespace mind::diffusion
