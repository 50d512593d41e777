#include "worker/diffusion/models/parts.h"

#include <utility>

namespace mind::diffusion {
namespace {

thread_local Hands* helping = nullptr;

}  // namespace

HandsScope::HandsScope(Hands& hands) : before_(std::exchange(helping, &hands)) {}

HandsScope::~HandsScope() {
  helping = before_;
}

void InParts(size_t count, const std::function<void(size_t)>& part) {
  if (helping != nullptr) return helping->Run(count, part);
  for (size_t i = 0; i < count; ++i) part(i);
}

}  // namespace mind::diffusion
