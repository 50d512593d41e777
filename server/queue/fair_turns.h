// Start-time fair queueing (Goyal, Vin and Cheng 1996): tenants share by the cost of what they run, not by
// how much they submit.
//
// What a tenant submits is a chain of claims, each on a number of portions (pictures) of equal cost. A
// portion starts where the one before it ends, or now, if that is later: that is its start tag, and the
// portion with the smallest goes first. The virtual time is the tag of the portion last begun. A claim that
// is given up leaves no gap: what comes after it in the chain moves up.
//
// Plain state.
#ifndef MIND_SERVER_QUEUE_FAIR_TURNS_H_
#define MIND_SERVER_QUEUE_FAIR_TURNS_H_

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace mind::server {

class FairTurns {
 public:
  struct Claim;

 private:
  struct Tenant {
    std::string name;
    Claim* first = nullptr;
    Claim* last = nullptr;
    Claim* to_move_up = nullptr;  // this and later ones may start too late
    int gaps = 0;                 // before or after that; none if it is null
    double finish = 0;            // of what has begun
  };

 public:
  // What a waiting job claims. Of a tenant that is to get more than others the cost is divided by how much
  // more. Belongs to the caller; stays where it is from Join to Leave.
  struct Claim {
    int64_t portions = 0;
    double cost = 0;   // of a portion
    double start = 0;  // tag of the next portion

   private:
    friend class FairTurns;
    // It cannot start before: when it came, the end of what of it has begun, and the end of what had begun of
    // claims before it.
    double floor = 0;
    double charged = 0;
    uint64_t number = 0;  // in the chain
    Tenant* tenant = nullptr;
    Claim* before = nullptr;
    Claim* after = nullptr;
  };

  // `moved` is called after the start of a claim has changed because a gap before it has closed.
  explicit FairTurns(std::function<void(Claim&)> moved) : moved_(std::move(moved)) {}

  // At the end of its tenant's chain. REQUIRES: portions and cost are set; it is in none.
  void Join(Claim& claim, const std::string& tenant);
  // The next portion begins. The claim leaves its chain with its last. REQUIRES: it is in one.
  void Begin(Claim& claim);
  // One portion is not wanted. The claim leaves with its last. REQUIRES: it is in a chain.
  void Drop(Claim& claim);
  // Nothing more of it is wanted; what has begun stays charged. REQUIRES: it is in a chain.
  void Leave(Claim& claim);

  // Where a claim of the tenant's would start that joined now.
  double NextStart(const std::string& tenant) const;

  double virtual_time() const { return virtual_time_; }
  // Those who are remembered: a tenant with nothing to come and all tags in the past is as good as new.
  size_t tenants() const { return tenants_.size(); }

 private:
  void Unlink(Claim& claim, bool leaves_gap);
  // There is a gap before this claim, if it is one: what follows moves up, a few claims at a time. The first
  // to run are right at once, the others before their turn comes.
  void CloseGap(Tenant& tenant, Claim* claim);
  void MoveUp(Tenant& tenant);
  // Where it starts if nothing holds it up but what is before it; where it ends.
  static double Earliest(const Claim& claim);
  static double End(const Claim& claim) {
    return claim.start + claim.cost * static_cast<double>(claim.portions);
  }
  void Advance(double virtual_time);

  const std::function<void(Claim&)> moved_;
  std::map<std::string, Tenant> tenants_;
  std::set<std::pair<double, Tenant*>> idle_;  // those with empty chains, by the end of what they have begun
  double virtual_time_ = 0;
  uint64_t joined_ = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_FAIR_TURNS_H_
