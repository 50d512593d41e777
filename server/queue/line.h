// A line of those who wait: in order, with running sums, so that what stands before any place, and the first
// that something is offered to, are found in O(log n).
//
// A treap (Seidel and Aragon 1996) of nodes that belong to the caller. Plain state.
#ifndef MIND_SERVER_QUEUE_LINE_H_
#define MIND_SERVER_QUEUE_LINE_H_

#include <cstdint>
#include <functional>
#include <tuple>

#include "server/queue/work.h"

namespace mind::server {

// A place in the order; the smaller goes first.
struct Turn {
  int rank = 0;   // the kind of place
  double at = 0;  // among those of a rank
  uint64_t arrival = 0;
  bool operator<(const Turn& other) const {
    return std::tie(rank, at, arrival) < std::tie(other.rank, other.at, other.arrival);
  }
};

// What a line, or a part of it, comes to.
struct Standing {
  int64_t jobs = 0;
  Work work;
  uint64_t offers = 0;  // all that anyone of them would take
};

class Line {
 public:
  // One that waits. To change what it says while it stands in a line: Update. Its place never changes; erase
  // it and insert it anew.
  struct Node {
    Turn turn;
    Work work;
    uint64_t offers = 0;  // a bit for each offer that it would take

   private:
    friend class Line;
    Node* parent = nullptr;
    Node* left = nullptr;
    Node* right = nullptr;
    uint64_t height = 0;  // random: no node is higher than its parent
    Standing sum;         // of this and all below
  };

  // `node` must stay where it is until it is erased. REQUIRES: it is in no line, and no other has its turn.
  void Insert(Node& node);
  // REQUIRES: it is in this line.
  void Erase(Node& node);
  // Its work or offers have changed. REQUIRES: it is in this line.
  static void Update(Node& node);

  // The first that would take one of these offers, null if there is none; and the one after that.
  const Node* First(uint64_t offers) const { return FirstBelow(root_, offers); }
  static const Node* Next(const Node& node, uint64_t offers);

  // In order.
  void ForEach(const std::function<void(const Node&)>& visit) const { VisitBelow(root_, visit); }

  // Of all that stand before this turn.
  Standing Before(const Turn& turn) const;
  Standing sum() const { return root_ == nullptr ? Standing() : root_->sum; }
  bool empty() const { return root_ == nullptr; }

  // The longest way from the first node to another, for tests.
  int Depth() const { return DepthBelow(root_); }

 private:
  static void Sum(Node& node);
  static const Node* FirstBelow(const Node* node, uint64_t offers);
  static void VisitBelow(const Node* node, const std::function<void(const Node&)>& visit);
  static int DepthBelow(const Node* node);
  // Where the pointer to this node is kept.
  Node*& Link(const Node& node);
  // The node changes places with its parent.
  void Raise(Node& node);

  Node* root_ = nullptr;
  uint64_t random_ = 0x9e3779b97f4a7c15;  // of heights; the same in every run
};

}  // namespace mind::server

#endif  // MIND_SERVER_QUEUE_LINE_H_
