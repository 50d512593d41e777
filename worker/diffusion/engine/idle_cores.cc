#include "worker/diffusion/engine/idle_cores.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

namespace mind::diffusion {

IdleCores::IdleCores(int cores) : cores_(static_cast<size_t>(cores)) {
  for (int i = 1; i < cores; ++i) threads_.emplace_back([this] { Help(); });
}

IdleCores::~IdleCores() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void IdleCores::RowsRun(size_t rows) {
  {
    const MutexLock lock(mutex_);
    const size_t before = std::exchange(rows_, rows);
    if (rows >= before || works_.empty()) return;
  }
  changed_.notify_all();
}

void IdleCores::Run(size_t count, const std::function<void(size_t)>& part, bool row) {
  Work work{.count = count, .part = part, .row = row};
  const MutexLock lock(mutex_);
  works_.push_back(&work);
  if (Open() != nullptr) changed_.notify_all();  // else nobody is woken to find no core
  while (work.next < work.count) TakePart(work);
  while (work.helpers > 0) changed_.wait(mutex_);
  std::erase(works_, &work);
  if (!works_.empty()) changed_.notify_all();  // they may have our core
  if (work.error) std::rethrow_exception(work.error);
}

void IdleCores::TakePart(Work& work) {
  const size_t number = work.next++;
  mutex_.unlock();
  std::exception_ptr error;
  try {
    work.part(number);
  } catch (...) {
    error = std::current_exception();
  }
  mutex_.lock();
  if (!error) return;
  work.error = error;
  work.next = work.count;  // the rest is of no use
}

IdleCores::Work* IdleCores::Open() {
  // The caller of each work has a core as well; of a row's, it is the row's.
  const auto beside =
      std::count_if(works_.begin(), works_.end(), [](const Work* work) { return !work->row; });
  if (rows_ + static_cast<size_t>(beside) + helping_ >= cores_) return nullptr;
  const auto open =
      std::find_if(works_.begin(), works_.end(), [](const Work* work) { return work->next < work->count; });
  return open == works_.end() ? nullptr : *open;
}

void IdleCores::Help() {
  const c10::InferenceMode inference;
  const MutexLock lock(mutex_);
  while (!stopping_) {
    Work* const work = Open();
    if (work == nullptr) {
      changed_.wait(mutex_);
      continue;
    }
    ++helping_;
    ++work->helpers;
    TakePart(*work);
    --helping_;
    if (--work->helpers == 0) changed_.notify_all();
  }
}

}  // namespace mind::diffusion
