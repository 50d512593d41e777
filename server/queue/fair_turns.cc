#include "server/queue/fair_turns.h"

#include <algorithm>

namespace mind::server {
namespace {

// How many claims move up at each event of their tenant.
constexpr int kMoveUp = 16;
// Of a portion's cost: less is rounding.
constexpr double kNothing = 1e-9;

}  // namespace

void FairTurns::Join(Claim& claim, const std::string& name) {
  const auto [entry, added] = tenants_.try_emplace(name);
  Tenant& tenant = entry->second;
  if (added) tenant.name = name;
  if (!added && tenant.first == nullptr) idle_.erase({tenant.finish, &tenant});
  MoveUp(tenant);
  claim.tenant = &tenant;
  claim.number = ++joined_;
  claim.charged = tenant.finish;
  claim.floor = std::max(virtual_time_, tenant.finish);
  claim.before = tenant.last;
  claim.after = nullptr;
  claim.start = Earliest(claim);
  (tenant.last == nullptr ? tenant.first : tenant.last->after) = &claim;
  tenant.last = &claim;
}

void FairTurns::Begin(Claim& claim) {
  const double begun = claim.start;
  claim.start += claim.cost;
  claim.floor = claim.charged = claim.start;
  --claim.portions;
  if (claim.portions == 0) {
    Unlink(claim, /*leaves_gap=*/false);
  } else {
    MoveUp(*claim.tenant);
  }
  Advance(begun);
}

void FairTurns::Drop(Claim& claim) {
  --claim.portions;
  if (claim.portions == 0) return Unlink(claim, /*leaves_gap=*/true);
  CloseGap(*claim.tenant, claim.after);
}

void FairTurns::Leave(Claim& claim) {
  claim.portions = 0;
  Unlink(claim, /*leaves_gap=*/true);
}

void FairTurns::Unlink(Claim& claim, bool leaves_gap) {
  Tenant& tenant = *claim.tenant;
  Claim* const after = claim.after;
  (claim.before == nullptr ? tenant.first : claim.before->after) = after;
  (after == nullptr ? tenant.last : after->before) = claim.before;
  if (after == nullptr) {  // what has begun is not given back
    tenant.finish = std::max(tenant.finish, claim.charged);
  } else {
    after->charged = std::max(after->charged, claim.charged);
    after->floor = std::max(after->floor, claim.charged);
  }
  if (tenant.to_move_up == &claim) tenant.to_move_up = after;
  claim.before = claim.after = nullptr;
  claim.tenant = nullptr;
  if (tenant.first != nullptr) {
    if (leaves_gap) CloseGap(tenant, after);
    return MoveUp(tenant);
  }
  if (tenant.finish <= virtual_time_) {
    tenants_.erase(tenants_.find(tenant.name));
  } else {
    idle_.emplace(tenant.finish, &tenant);
  }
}

void FairTurns::CloseGap(Tenant& tenant, Claim* claim) {
  if (claim == nullptr) return;
  if (tenant.to_move_up == nullptr) tenant.gaps = 0;
  ++tenant.gaps;
  if (tenant.to_move_up == nullptr || claim->number < tenant.to_move_up->number) tenant.to_move_up = claim;
  MoveUp(tenant);
}

void FairTurns::MoveUp(Tenant& tenant) {
  for (int moves = 0; moves < kMoveUp && tenant.to_move_up != nullptr; ++moves) {
    Claim& claim = *tenant.to_move_up;
    const double start = Earliest(claim);
    tenant.to_move_up = claim.after;
    if (claim.start - start > kNothing * claim.cost) {
      claim.start = start;
      moved_(claim);
    } else if (tenant.gaps == 1) {  // what follows stands where it should
      tenant.to_move_up = nullptr;
    }
  }
}

double FairTurns::Earliest(const Claim& claim) {
  if (claim.before == nullptr) return claim.floor;
  return std::max(claim.floor, End(*claim.before));
}

double FairTurns::NextStart(const std::string& name) const {
  const auto found = tenants_.find(name);
  if (found == tenants_.end()) return virtual_time_;
  const Tenant& tenant = found->second;
  const double floor = std::max(virtual_time_, tenant.finish);
  return tenant.last == nullptr ? floor : std::max(floor, End(*tenant.last));
}

void FairTurns::Advance(double virtual_time) {
  virtual_time_ = std::max(virtual_time_, virtual_time);
  while (!idle_.empty() && idle_.begin()->first <= virtual_time_) {
    tenants_.erase(tenants_.find(idle_.begin()->second->name));
    idle_.erase(idle_.begin());
  }
}

}  // namespace mind::server
