#include "worker/diffusion/engine/step_batch.h"

#include <gtest/gtest.h>

namespace mind::diffusion {
namespace {

std::shared_ptr<Trajectory> Make(uint64_t id, std::vector<int64_t> shape, size_t rows = 2,
                                 int64_t priority = 0, uint64_t last_served = 0) {
  auto trajectory = std::make_shared<Trajectory>();
  trajectory->id = id;
  trajectory->stages.emplace_back().shape = std::move(shape);
  trajectory->request.priority = priority;
  trajectory->last_served = last_served;
  trajectory->conditioning.rows.resize(rows);
  return trajectory;
}

std::vector<uint64_t> Ids(const std::vector<std::shared_ptr<Trajectory>>& batch) {
  std::vector<uint64_t> ids;
  for (const auto& trajectory : batch) ids.push_back(trajectory->id);
  return ids;
}

std::vector<uint64_t> Choose(std::vector<std::shared_ptr<Trajectory>> parked, size_t cap) {
  return Ids(ChooseStepBatch(std::move(parked), [cap](const Trajectory&) { return cap; }));
}

using Expected = std::vector<uint64_t>;

TEST(StepBatch, TakesWhatFitsTogether) {
  EXPECT_EQ(Choose({Make(1, {4, 8, 8}), Make(2, {4, 8, 12}), Make(3, {4, 8, 8}, 1)}, 16), (Expected{1, 3}));
}

TEST(StepBatch, WhoWaitedLongestLeads) {
  EXPECT_EQ(Choose({Make(1, {4, 8, 8}, 2, 0, 5), Make(2, {4, 8, 12}, 2, 0, 4)}, 16), Expected{2});
}

TEST(StepBatch, HigherPriorityGoesFirst) {
  EXPECT_EQ(Choose({Make(1, {4, 8, 8}, 2, 0, 0), Make(2, {4, 8, 8}, 2, 1, 9)}, 2), Expected{2});
}

TEST(StepBatch, CountsRowsAgainstTheCap) {
  EXPECT_EQ(Choose({Make(1, {4}, 2), Make(2, {4}, 1), Make(3, {4}, 2)}, 4), (Expected{1, 2}));
}

TEST(StepBatch, TakesOneEvenIfItExceedsTheCap) {
  EXPECT_EQ(Choose({Make(1, {4}, 2)}, 1), Expected{1});
}

TEST(StepBatchPreviewSlot, KeepsTheFirstAndOtherwiseTheNewest) {
  PreviewSlot slot;
  EXPECT_EQ(slot.Offer({1, {}}), PreviewSlot::Offered::kStartRendering);
  EXPECT_EQ(slot.Offer({2, {}}), PreviewSlot::Offered::kDropped);
  EXPECT_EQ(slot.Take()->step, 1);
  EXPECT_EQ(slot.Offer({3, {}}), PreviewSlot::Offered::kWaits);
  EXPECT_EQ(slot.Offer({4, {}}), PreviewSlot::Offered::kReplacedOlder);
  EXPECT_EQ(slot.Take()->step, 4);
  EXPECT_FALSE(slot.Take().has_value());
  EXPECT_EQ(slot.Offer({5, {}}), PreviewSlot::Offered::kStartRendering);
}

}  // namespace
}  // namespace mind::diffusion
