#include "worker/diffusion/engine/step_batch.h"

#include <gtest/gtest.h>

#include <map>

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

// Nobody is at work beside the steps, and all have equally much to do.
StepBatches::Facts By(std::function<const BatchCap&(const Trajectory&)> cap_of) {
  return {.cap_of = std::move(cap_of),
          .seconds_left = [](const Trajectory&) { return 1.0; },
          .busy_above = [](int64_t) { return size_t{0}; }};
}
StepBatches::Facts By(const BatchCap& cap) {
  return By([&cap](const Trajectory&) -> const BatchCap& { return cap; });
}

std::vector<uint64_t> Choose(std::vector<std::shared_ptr<Trajectory>> parked, size_t cap,
                             StepTurns::Options turns = {}) {
  const BatchCap always({.floor = cap, .ceiling = cap});
  StepBatches batches(By(always), turns);
  return Ids(batches.Next(std::move(parked)));
}

// A CPU of so many cores on which a row takes a second.
BatchCap Cpu(size_t cores) {
  BatchCap cap({.floor = cores, .ceiling = cores, .same_cost = [cores](size_t rows) {
                  return (rows + cores - 1) / cores * cores;
                }});
  for (size_t rows = 1; rows <= 4 * cores; ++rows)
    cap.Record(rows, static_cast<double>((rows + cores - 1) / cores));
  return cap;
}

// A GPU that takes a second up to eight rows, and then more.
BatchCap Gpu() {
  BatchCap cap({.floor = 64, .ceiling = 64});
  for (const size_t rows : {1, 2, 4, 8}) cap.Record(rows, 1);
  for (const size_t rows : {16, 32, 64}) cap.Record(rows, static_cast<double>(rows) / 8);
  return cap;
}

std::vector<std::shared_ptr<Trajectory>> OneHighAnd(int low, size_t high_rows = 2) {
  std::vector<std::shared_ptr<Trajectory>> parked = {Make(1, {4}, high_rows, /*priority=*/1)};
  for (int i = 0; i < low; ++i) parked.push_back(Make(10 + static_cast<uint64_t>(i), {4}, 2, -1));
  return parked;
}

std::vector<uint64_t> ChooseBy(const BatchCap& cap, std::vector<std::shared_ptr<Trajectory>> parked) {
  StepBatches batches(By(cap));
  return Ids(batches.Next(std::move(parked)));
}

using Expected = std::vector<uint64_t>;

TEST(StepBatch, TakesWhatFitsTogether) {
  EXPECT_EQ(Choose({Make(1, {4, 8, 8}), Make(2, {4, 8, 12}), Make(3, {4, 8, 8}, 1)}, 16), (Expected{1, 3}));
}

TEST(StepBatch, WhereSharesAreEqualWhoWaitedLongestLeads) {
  EXPECT_EQ(Choose({Make(1, {4, 8, 8}, 2, 0, 5), Make(2, {4, 8, 12}, 2, 0, 4)}, 16, {.flow = 1}),
            Expected{2});
}

TEST(StepBatch, TheLeastLeftLeadsAndFillsTheBatch) {
  const BatchCap cap = Cpu(4);
  StepBatches batches({.cap_of = [&cap](const Trajectory&) -> const BatchCap& { return cap; },
                       .seconds_left = [](const Trajectory& t) { return 100.0 - static_cast<double>(t.id); },
                       .busy_above = [](int64_t) { return size_t{0}; }});
  EXPECT_EQ(Ids(batches.Next({Make(1, {4}), Make(2, {4}), Make(3, {4}), Make(4, {8})})), Expected{4});
  EXPECT_EQ(Ids(batches.Next({Make(1, {4}), Make(2, {4}), Make(3, {4}), Make(0, {8})})), (Expected{3, 2}));
}

// Two pictures of one job and one of another: the job's go one after the other.
TEST(StepBatch, PicturesOfAJobAreCountedTogether) {
  std::vector<std::shared_ptr<Trajectory>> parked = {Make(1, {4}), Make(2, {4}), Make(3, {4})};
  parked[0]->request.job = parked[1]->request.job = "pair";
  EXPECT_EQ(Choose(parked, 2), Expected{3});
  parked.pop_back();
  EXPECT_EQ(Choose(parked, 2), Expected{1});
}

TEST(StepBatch, ATenantThatHasHadMoreStandsBack) {
  const BatchCap cap = Cpu(2);
  StepBatches batches(By(cap));
  std::vector<std::shared_ptr<Trajectory>> parked = {Make(1, {4}), Make(2, {4})};
  parked[0]->request.tenant = "a";
  parked[1]->request.tenant = "b";
  std::map<uint64_t, int> steps;
  for (int i = 0; i < 100; ++i) {
    ++steps[batches.Next(parked).front()->id];
    batches.Took(1);
  }
  EXPECT_NEAR(steps[1], 50, 2);  // equally much to do: to within that
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

// Idle cores only: whatever is beyond them takes its full price.
TEST(StepBatch, OnACpuLowerPrioritiesTakeIdleCores) {
  EXPECT_EQ(ChooseBy(Cpu(2), OneHighAnd(16)), Expected{1});
  EXPECT_EQ(ChooseBy(Cpu(4), OneHighAnd(16)), (Expected{1, 10}));
  EXPECT_EQ(ChooseBy(Cpu(8), OneHighAnd(16)), (Expected{1, 10, 11, 12}));
  EXPECT_EQ(ChooseBy(Cpu(1), OneHighAnd(16)), Expected{1});
}

TEST(StepBatch, OnAGpuLowerPrioritiesRideAlongWhereTheStepGrowsByNothing) {
  EXPECT_EQ(ChooseBy(Gpu(), OneHighAnd(16)), (Expected{1, 10, 11, 12}));
  // Sixteen rows of its own: nothing is free beyond them.
  std::vector<std::shared_ptr<Trajectory>> parked = OneHighAnd(4, /*high_rows=*/16);
  EXPECT_EQ(ChooseBy(Gpu(), parked), Expected{1});
}

TEST(StepBatch, WhatWasNotMeasuredIsNotSaidToCostNothing) {
  BatchCap cap({});
  EXPECT_EQ(ChooseBy(cap, OneHighAnd(4)), Expected{1});
  cap.Record(2, 1);
  EXPECT_EQ(ChooseBy(cap, OneHighAnd(4)), Expected{1});
}

TEST(StepBatch, OfItsOwnPriorityAllShareTheStep) {
  const std::vector<std::shared_ptr<Trajectory>> parked = {Make(1, {4}), Make(2, {4}), Make(3, {4})};
  EXPECT_EQ(ChooseBy(Gpu(), parked), (Expected{1, 2, 3}));
}

// Kept out for ever by a stream of higher ones, the low ones go all the same, in turn, for a small part of
// the time.
TEST(StepBatch, LowerPrioritiesAreNotStarved) {
  const BatchCap cap = Cpu(2);
  StepBatches batches(By(cap));
  const std::vector<std::shared_ptr<Trajectory>> parked = OneHighAnd(3);
  std::map<uint64_t, int> served;
  for (uint64_t number = 1; number <= 2500; ++number) {
    for (const auto& trajectory : batches.Next(parked)) {
      trajectory->last_served = number;
      ++served[trajectory->id];
    }
    batches.Took(1);
  }
  EXPECT_GE(served[1], 2440);
  for (const uint64_t low : {10, 11, 12}) EXPECT_GE(served[low], 14) << low;
}

// A step that takes long is only due when as much time was owed.
TEST(StepBatch, ALongStepOfALowerPriorityComesRarely) {
  const BatchCap quick = Cpu(2);
  BatchCap slow({.floor = 2, .ceiling = 2});
  slow.Record(2, 10);
  StepBatches batches(By([&](const Trajectory& leader) -> const BatchCap& {
    return leader.stage().shape.front() == 4 ? quick : slow;
  }));
  std::vector<std::shared_ptr<Trajectory>> parked = {Make(1, {4}, 2, 1), Make(2, {8}, 2, 0)};
  int before = 0;
  while (Ids(batches.Next(parked)) == Expected{1}) {
    batches.Took(1);
    ASSERT_LT(++before, 1000);
  }
  EXPECT_GE(before, 499);
  EXPECT_LE(before, 501);
}

TEST(StepBatch, WhatIsToldInOtherShapesGoesAlone) {
  const auto told = [](uint64_t id, int64_t negative, int64_t prompt) {
    auto trajectory = Make(id, {4});
    trajectory->conditioning.rows.front().Set(Condition::kText, at::zeros({negative, 3}));
    trajectory->conditioning.rows.back().Set(Condition::kText, at::zeros({prompt, 3}));
    return trajectory;
  };
  EXPECT_EQ(Choose({told(1, 77, 154), told(2, 77, 77), told(3, 77, 154), told(4, 154, 154)}, 64),
            (std::vector<uint64_t>{1, 3}));
}

// While a prompt of priority 1 is encoded or its picture decoded.
class StepBatchBeside : public ::testing::Test {
 protected:
  std::vector<uint64_t> Next(std::vector<std::shared_ptr<Trajectory>> parked) {
    return Ids(batches_.Next(std::move(parked)));
  }

  size_t busy_ = 1;
  const BatchCap cap_ = Cpu(4);
  StepBatches batches_{{.cap_of = [this](const Trajectory&) -> const BatchCap& { return cap_; },
                        .seconds_left = [](const Trajectory&) { return 1.0; },
                        .busy_above = [this](int64_t priority) { return priority < 1 ? busy_ : 0; }}};
};

TEST_F(StepBatchBeside, LowerPrioritiesLeaveAProcessorToIt) {
  const auto low = [](uint64_t id) { return Make(id, {4}, 2, -1); };
  EXPECT_EQ(Next({low(1), low(2)}), Expected{1});
  busy_ = 3;
  EXPECT_EQ(Next({low(1), low(2)}), Expected{});
  busy_ = 0;
  EXPECT_EQ(Next({low(1), low(2)}), (Expected{1, 2}));
}

TEST_F(StepBatchBeside, ItsOwnPriorityDoesNot) {
  EXPECT_EQ(Next({Make(1, {4}, 2, 1), Make(2, {4}, 2, 1)}), (Expected{1, 2}));
}

TEST_F(StepBatchBeside, NobodyIsStarved) {
  busy_ = 100;
  const std::vector<std::shared_ptr<Trajectory>> low = {Make(1, {4}, 2, -1)};
  int steps = 0;
  for (int i = 0; i < 1000; ++i) {
    const bool stepped = !batches_.Next(low).empty();
    steps += stepped ? 1 : 0;
    batches_.Took(stepped ? 1 : 0.1);
  }
  EXPECT_GE(steps, 1);
  EXPECT_LE(steps, 3);
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
