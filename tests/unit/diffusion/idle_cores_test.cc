#include "worker/diffusion/engine/idle_cores.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <set>
#include <stdexcept>

namespace mind::diffusion {
namespace {

// Which threads took parts.
class Threads {
 public:
  void Note() {
    const std::lock_guard lock(mutex_);
    seen_.insert(std::this_thread::get_id());
  }
  size_t count() const { return seen_.size(); }

 private:
  std::mutex mutex_;
  std::set<std::thread::id> seen_;
};

TEST(IdleCores, EveryPartIsDoneOnce) {
  IdleCores cores(4);
  for (const size_t count : {0, 1, 3, 100}) {
    std::vector<std::atomic<int>> done(count);
    cores.Run(count, [&](size_t part) { ++done[part]; });
    for (const auto& one : done) EXPECT_EQ(one, 1);
  }
}

// Two parts that wait for each other can only be done by two threads.
TEST(IdleCores, IdleCoresTakePart) {
  IdleCores cores(2);
  std::promise<void> met[2];
  cores.Run(2, [&](size_t part) {
    met[part].set_value();
    met[1 - part].get_future().wait();
  });
}

TEST(IdleCores, CoresThatRowsRunOnDoNot) {
  IdleCores cores(3);
  cores.RowsRun(2);
  Threads threads;
  cores.Run(200, [&](size_t) { threads.Note(); });
  EXPECT_EQ(threads.count(), 1U);
}

// A row's own core is not counted twice: of two, the other is idle.
TEST(IdleCores, TheyHelpALoneRow) {
  IdleCores cores(2);
  cores.RowsRun(1);
  std::promise<void> met[2];
  cores.of_rows().Run(2, [&](size_t part) {
    met[part].set_value();
    met[1 - part].get_future().wait();
  });
  cores.RowsRun(2);
  Threads threads;
  cores.of_rows().Run(200, [&](size_t) { threads.Note(); });
  EXPECT_EQ(threads.count(), 1U);
}

TEST(IdleCores, TheyComeWhenTheRowsHaveEnded) {
  IdleCores cores(2);
  cores.RowsRun(2);
  std::promise<void> met[2];
  cores.Run(2, [&](size_t part) {
    cores.RowsRun(0);
    met[part].set_value();
    met[1 - part].get_future().wait();
  });
}

TEST(IdleCores, SeveralMayCallAtATime) {
  IdleCores cores(4);
  std::atomic<int> done = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) callers.emplace_back([&] { cores.Run(500, [&](size_t) { ++done; }); });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(done, 2000);
}

TEST(IdleCores, WhatAPartThrowsIsTheCallers) {
  IdleCores cores(3);
  for (const size_t bad : {0, 7, 49}) {
    EXPECT_THROW(cores.Run(50,
                           [&](size_t part) {
                             if (part == bad) throw std::runtime_error("a part");
                           }),
                 std::runtime_error);
  }
  std::atomic<int> done = 0;
  cores.Run(5, [&](size_t) { ++done; });
  EXPECT_EQ(done, 5);
}

}  // namespace
}  // namespace mind::diffusion
