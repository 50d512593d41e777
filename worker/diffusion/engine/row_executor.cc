#include "worker/diffusion/engine/row_executor.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <optional>
#include <thread>

#include "worker/diffusion/models/wrapping.h"
#include "worker/diffusion/mutex.h"

namespace mind::diffusion {
namespace {

at::Tensor Forward(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows) {
  std::vector<at::Tensor> samples;
  std::vector<double> timesteps;
  std::vector<const Told*> told;
  std::vector<AdapterSet> adapters;
  for (const EvaluationRow& row : rows) {
    samples.push_back(row.sample);
    timesteps.push_back(row.timestep);
    told.push_back(&row.told);
    adapters.push_back(row.adapters);
  }
  const at::Tensor sample = at::stack(samples);
  const AdapterScope scope(std::move(adapters));
  const WrapScope wrapping(rows.front().wraps);
  return denoiser({.sample = sample,
                   .timestep = at::tensor(timesteps, at::kFloat).to(sample.device()),
                   .told = Told::Stack(told)});
}

class SideBySideExecutor : public RowExecutor {
 public:
  SideBySideExecutor(int threads, Hands* hands) : threads_(static_cast<size_t>(threads)), hands_(hands) {
    // The caller is one of the threads.
    for (int i = 1; i < threads; ++i) helpers_.emplace_back([this] { Help(); });
  }

  ~SideBySideExecutor() override {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
    }
    work_.notify_all();
    for (std::thread& helper : helpers_) helper.join();
  }

  std::vector<RowResult> Run(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows) override {
    std::vector<RowResult> results(rows.size());
    {
      const MutexLock lock(mutex_);
      batch_.emplace(Batch{denoiser, rows, results});
      ++batches_;
      next_ = 0;
    }
    if (rows.size() > 1) work_.notify_all();
    RunRows({denoiser, rows, results});
    // Helpers still inside a row of this batch must leave it before the vectors go out of scope.
    const MutexLock lock(mutex_);
    while (busy_ > 0) idle_.wait(mutex_);
    batch_.reset();
    return results;
  }

  size_t SameCost(size_t rows) const override { return (rows + threads_ - 1) / threads_ * threads_; }

 private:
  // What Run was given.
  struct Batch {
    const Denoiser& denoiser;
    const std::vector<EvaluationRow>& rows;
    std::vector<RowResult>& results;
  };

  void RunRows(const Batch& batch) {
    std::optional<HandsScope> helped;
    if (hands_ != nullptr) helped.emplace(*hands_);
    for (size_t i = next_.fetch_add(1); i < batch.rows.size(); i = next_.fetch_add(1)) {
      try {
        batch.results[i].output = Forward(batch.denoiser, {batch.rows[i]}).squeeze(0);
      } catch (...) {
        batch.results[i].error = std::current_exception();
      }
    }
  }

  void Help() {
    const c10::InferenceMode inference;
    uint64_t seen = 0;
    while (const std::optional<Batch> batch = Enter(seen)) {
      RunRows(*batch);
      const MutexLock lock(mutex_);
      if (--busy_ == 0) idle_.notify_all();
    }
  }

  // Enters the next batch after number `seen`; none when there will be no more.
  std::optional<Batch> Enter(uint64_t& seen) {
    const MutexLock lock(mutex_);
    while (!stopping_ && (!batch_ || batches_ == seen)) work_.wait(mutex_);
    if (stopping_) return std::nullopt;
    seen = batches_;
    ++busy_;
    return batch_;
  }

  const size_t threads_;
  Hands* const hands_;

  Mutex mutex_;
  std::condition_variable_any work_, idle_;
  std::optional<Batch> batch_ MIND_GUARDED_BY(mutex_);  // in Run
  uint64_t batches_ MIND_GUARDED_BY(mutex_) = 0;        // so far
  int busy_ MIND_GUARDED_BY(mutex_) = 0;                // helpers inside the batch
  bool stopping_ MIND_GUARDED_BY(mutex_) = false;

  std::atomic<size_t> next_ = 0;  // the next row nobody has taken; mutex_ orders its reset before a batch
  std::vector<std::thread> helpers_;
};

class BatchedExecutor : public RowExecutor {
 public:
  std::vector<RowResult> Run(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows) override {
    std::vector<RowResult> results(rows.size());
    std::vector<std::vector<size_t>> groups;  // of rows alike, by their places
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto group = std::find_if(groups.begin(), groups.end(), [&](const std::vector<size_t>& places) {
        const EvaluationRow& first = rows[places.front()];
        return first.wraps == rows[i].wraps && SameShape(first.told, rows[i].told);
      });
      if (group == groups.end()) {
        groups.push_back({i});
      } else {
        group->push_back(i);
      }
    }
    for (const std::vector<size_t>& places : groups) RunAlike(denoiser, rows, places, results);
    return results;
  }

  size_t SameCost(size_t rows) const override {
    size_t bucket = 1;
    while (bucket < rows) bucket *= 2;
    return bucket;
  }

 private:
  void RunAlike(const Denoiser& denoiser, const std::vector<EvaluationRow>& rows,
                const std::vector<size_t>& places, std::vector<RowResult>& results) const {
    try {
      std::vector<EvaluationRow> padded;
      for (const size_t place : places) padded.push_back(rows[place]);
      padded.resize(SameCost(places.size()), rows[places.back()]);
      const at::Tensor output = Forward(denoiser, padded);
      for (size_t i = 0; i < places.size(); ++i) results[places[i]].output = output[static_cast<int64_t>(i)];
    } catch (...) {
      for (const size_t place : places) results[place].error = std::current_exception();
    }
  }
};

}  // namespace

std::unique_ptr<RowExecutor> MakeSideBySideExecutor(int threads, Hands* hands) {
  return std::make_unique<SideBySideExecutor>(threads, hands);
}

std::unique_ptr<RowExecutor> MakeBatchedExecutor() {
  return std::make_unique<BatchedExecutor>();
}

}  // namespace mind::diffusion
