#include "server/queue/line.h"

#include <algorithm>

namespace mind::server {
namespace {

void Add(Standing& sum, const Standing& more) {
  sum.jobs += more.jobs;
  sum.work += more.work;
  sum.offers |= more.offers;
}

}  // namespace

void Line::Insert(Node& node) {
  // xorshift64 (Marsaglia 2003)
  random_ ^= random_ << 13;
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  node.height = random_;
  node.left = node.right = node.parent = nullptr;
  Node** link = &root_;
  while (*link != nullptr) {
    node.parent = *link;
    link = node.turn < node.parent->turn ? &node.parent->left : &node.parent->right;
  }
  *link = &node;
  Sum(node);
  while (node.parent != nullptr && node.parent->height < node.height) Raise(node);
  if (node.parent != nullptr) Update(*node.parent);
}

void Line::Erase(Node& node) {
  while (node.left != nullptr && node.right != nullptr) {
    Raise(node.left->height > node.right->height ? *node.left : *node.right);
  }
  Node* const below = node.left != nullptr ? node.left : node.right;
  Link(node) = below;
  if (below != nullptr) below->parent = node.parent;
  if (node.parent != nullptr) Update(*node.parent);
  node.parent = node.left = node.right = nullptr;
}

void Line::Update(Node& node) {
  for (Node* at = &node; at != nullptr; at = at->parent) Sum(*at);
}

void Line::Sum(Node& node) {
  node.sum = {.jobs = 1, .work = node.work, .offers = node.offers};
  if (node.left != nullptr) Add(node.sum, node.left->sum);
  if (node.right != nullptr) Add(node.sum, node.right->sum);
}

Line::Node*& Line::Link(const Node& node) {
  if (node.parent == nullptr) return root_;
  return node.parent->left == &node ? node.parent->left : node.parent->right;
}

void Line::Raise(Node& node) {
  Node& parent = *node.parent;
  Link(parent) = &node;
  node.parent = parent.parent;
  parent.parent = &node;
  Node*& inner = parent.left == &node ? node.right : node.left;
  (parent.left == &node ? parent.left : parent.right) = inner;
  if (inner != nullptr) inner->parent = &parent;
  inner = &parent;
  Sum(parent);
  Sum(node);
}

const Line::Node* Line::FirstBelow(const Node* node, uint64_t offers) {
  while (node != nullptr && (node->sum.offers & offers) != 0) {
    if (node->left != nullptr && (node->left->sum.offers & offers) != 0) {
      node = node->left;
    } else if ((node->offers & offers) != 0) {
      return node;
    } else {
      node = node->right;
    }
  }
  return nullptr;
}

const Line::Node* Line::Next(const Node& node, uint64_t offers) {
  if (const Node* const below = FirstBelow(node.right, offers)) return below;
  for (const Node* at = &node; at->parent != nullptr; at = at->parent) {
    const Node* const parent = at->parent;
    if (parent->left != at) continue;
    if ((parent->offers & offers) != 0) return parent;
    if (const Node* const right = FirstBelow(parent->right, offers)) return right;
  }
  return nullptr;
}

Standing Line::Before(const Turn& turn) const {
  Standing before;
  const Node* node = root_;
  while (node != nullptr) {
    if (node->turn < turn) {
      if (node->left != nullptr) Add(before, node->left->sum);
      Add(before, {.jobs = 1, .work = node->work, .offers = node->offers});
      node = node->right;
    } else {
      node = node->left;
    }
  }
  return before;
}

void Line::VisitBelow(const Node* node, const std::function<void(const Node&)>& visit) {
  if (node == nullptr) return;
  VisitBelow(node->left, visit);
  visit(*node);
  VisitBelow(node->right, visit);
}

int Line::DepthBelow(const Node* node) {
  return node == nullptr ? 0 : 1 + std::max(DepthBelow(node->left), DepthBelow(node->right));
}

}  // namespace mind::server
