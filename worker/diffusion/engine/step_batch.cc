#include "worker/diffusion/engine/step_batch.h"

#include <algorithm>
#include <tuple>

namespace mind::diffusion {
namespace {

bool SameShape(const at::Tensor& a, const at::Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || a.sizes() == b.sizes());
}

}  // namespace

bool FitTogether(const Trajectory& a, const Trajectory& b) {
  const ConditionRow& row_a = a.conditioning.rows.front();
  const ConditionRow& row_b = b.conditioning.rows.front();
  return a.stage().pipeline == b.stage().pipeline && a.stage().shape == b.stage().shape &&
         SameShape(row_a.context, row_b.context) && SameShape(row_a.label, row_b.label) &&
         SameShape(row_a.channels, row_b.channels);
}

std::vector<std::shared_ptr<Trajectory>> ChooseStepBatch(
    std::vector<std::shared_ptr<Trajectory>> parked,
    const std::function<size_t(const Trajectory& leader)>& cap) {
  std::sort(parked.begin(), parked.end(), [](const auto& a, const auto& b) {
    return std::make_tuple(-a->request.priority, a->last_served, a->id) <
           std::make_tuple(-b->request.priority, b->last_served, b->id);
  });
  std::vector<std::shared_ptr<Trajectory>> batch;
  const size_t limit = cap(*parked.front());
  size_t rows = 0;
  for (const auto& trajectory : parked) {
    const size_t needed = trajectory->conditioning.rows.size();
    if (!FitTogether(*parked.front(), *trajectory)) continue;
    if (!batch.empty() && rows + needed > limit) break;
    batch.push_back(trajectory);
    rows += needed;
  }
  return batch;
}

}  // namespace mind::diffusion
