#include "worker/diffusion/engine/engine.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "worker/diffusion/engine/checkpoint.h"
#include "worker/diffusion/engine/free_caches.h"
#include "worker/diffusion/machine_fault.h"
#include "worker/diffusion/pipelines/picture_scorer.h"

namespace mind::diffusion {
namespace {

// How long a step that leaves the processors to others waits before it looks again.
constexpr std::chrono::milliseconds kMoment{20};

EngineMeter& NoMeter() {
  static EngineMeter* const none = new EngineMeter;
  return *none;
}

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::unique_ptr<RowExecutor> MakeExecutor(const Engine::Options& options, IdleCores& idle_cores) {
  return options.device.is_cpu() ? MakeSideBySideExecutor(options.row_threads, &idle_cores.of_rows())
                                 : MakeBatchedExecutor();
}

BatchCap::Options CapOptions(const Engine::Options& options, const RowRunner& runner) {
  BatchCap::Options cap = options.batch;
  if (options.device.is_cpu()) cap.floor = cap.ceiling = static_cast<size_t>(options.row_threads);
  cap.same_cost = [&runner](size_t rows) { return runner.SameCost(rows); };
  return cap;
}

}  // namespace

Engine::Engine(ModelSource& models, const Options& options, EngineMeter* meter)
    : options_(options),
      meter_(meter != nullptr ? meter : &NoMeter()),
      idle_cores_(options.device.is_cpu() ? options.row_threads : 1),
      runner_(MakeExecutor(options, idle_cores_),
              [&models, device = options.device] {
                try {
                  models.UnloadIdle();
                  FreeCaches(device);
                } catch (const c10::Error&) {
                  // Of a device that is lost: the rows, which are run again, will say so.
                }
              }),
      costs_(CapOptions(options, runner_)),
      batches_({.cap_of = [this](const Trajectory& leader) -> const BatchCap& { return costs_.Of(leader); },
                .seconds_left = [this](const Trajectory& one) { return costs_.SecondsLeft(one); },
                .busy_above = [this](int64_t priority) { return BusyAbove(priority); }},
               options.turns),
      checkpoint_pace_(1e-3 * static_cast<double>(options.checkpoint_interval.count())),
      side_(std::make_unique<ThreadPool>(options.side_threads)),
      previews_(std::make_unique<ThreadPool>(1)),
      admission_(std::make_unique<Admission>(
          models, *side_,
          [this](const TrajectoryPtr& trajectory, const std::shared_ptr<const Pipeline>& model,
                 std::exception_ptr error) { OnAdmitted(trajectory, model, error); })),
      step_thread_([this] { RunSteps(); }) {}

Engine::~Engine() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    for (auto& [id, trajectory] : active_) trajectory->cancelled = true;
  }
  changed_.notify_all();
  admission_->Recheck();
  step_thread_.join();  // when the last trajectory has ended; until then it may post to the pools
  // What is left in the pool are checkpoints nobody waits for and looks at an empty admission.
  admission_->Close();
  side_.reset();
}

uint64_t Engine::Submit(TrajectoryRequest request, std::shared_ptr<TrajectoryEvents> events) {
  auto trajectory = std::make_shared<Trajectory>();
  trajectory->checkpoint = std::exchange(request.checkpoint, "");
  trajectory->request = std::move(request);
  trajectory->events = std::move(events);
  {
    const MutexLock lock(mutex_);
    trajectory->id = next_id_++;
    trajectory->cancelled = stopping_;
    trajectory->handed_back = device_lost_.load();
    active_[trajectory->id] = trajectory;
  }
  admission_->Enter(trajectory);
  return trajectory->id;
}

void Engine::Cancel(uint64_t id) {
  {
    const MutexLock lock(mutex_);
    const auto found = active_.find(id);
    if (found == active_.end()) return;
    found->second->cancelled = true;
    stirred_ = true;
  }
  changed_.notify_all();
  admission_->Recheck();
}

void Engine::HandBack(uint64_t id) {
  {
    const MutexLock lock(mutex_);
    const auto found = active_.find(id);
    if (found == active_.end()) return;
    found->second->handed_back = true;
    stirred_ = true;
  }
  changed_.notify_all();
  admission_->Recheck();
}

void Engine::WaitUntilIdle() {
  const MutexLock lock(mutex_);
  while (!active_.empty()) changed_.wait(mutex_);
}

size_t Engine::active() const {
  const MutexLock lock(mutex_);
  return active_.size();
}

void Engine::RunSteps() {
  pthread_setname_np(pthread_self(), "steps");  // for top and debuggers
  const c10::InferenceMode inference;
  last_batch_end_ = Clock::now();
  for (;;) {
    {
      const MutexLock lock(mutex_);
      if (running_.empty() && arrivals_.empty()) {
        step_clock_.Idle();
        idle_cores_.RowsRun(0);
        while (arrivals_.empty() && !(stopping_ && active_.empty())) changed_.wait(mutex_);
        if (arrivals_.empty()) return;
        last_batch_end_ = Clock::now();  // waiting for work is not a step's overhead
        step_clock_.Busy(last_batch_end_);
      }
      running_.insert(running_.end(), arrivals_.begin(), arrivals_.end());
      arrivals_.clear();
      stirred_ = false;
    }

    std::vector<TrajectoryPtr> still_running;
    std::vector<TrajectoryPtr> parked;
    for (const TrajectoryPtr& trajectory : running_) {
      if (trajectory->cancelled) {
        End(trajectory, [&](TrajectoryEvents& events) { events.OnCancelled(trajectory->step()); });
      } else if (trajectory->handed_back && (!trajectory->running_step || device_lost_)) {
        GiveBack(trajectory);
      } else if (Advance(trajectory)) {
        parked.push_back(trajectory);
        still_running.push_back(trajectory);
      }
    }
    running_ = std::move(still_running);
    if (parked.empty()) continue;

    const std::vector<TrajectoryPtr> batch = batches_.Next(std::move(parked));
    if (batch.empty()) {
      WaitAMoment();
    } else {
      RunBatch(batch);
    }
  }
}

void Engine::WaitAMoment() {
  const Clock::time_point begin = Clock::now();
  idle_cores_.RowsRun(0);
  {
    const MutexLock lock(mutex_);
    if (!stirred_) changed_.wait_for(mutex_, kMoment);
  }
  last_batch_end_ = Clock::now();  // waiting is not a step's overhead
  step_clock_.Busy(last_batch_end_);
  batches_.Took(Seconds(last_batch_end_ - begin));
}

void Engine::RunBatch(const std::vector<TrajectoryPtr>& batch) {
  ++batch_number_;
  std::vector<EvaluationRow> rows;
  for (const TrajectoryPtr& t : batch) {
    t->last_served = batch_number_;
    for (const Told& told : t->conditioning.RowsAt(t->call())) {
      rows.push_back(
          {t->evaluator.input(), t->evaluator.timestep(), told, t->conditioning.adapters, t->request.tiling});
    }
  }
  const std::string model = batch.front()->request.model;
  const BatchCap& cap = costs_.Of(*batch.front());
  step_clock_.Expect(cap.Seconds(rows.size()).value_or(0));
  idle_cores_.RowsRun(rows.size());
  const Clock::time_point begin = Clock::now();
  const auto [results, fits] = runner_.Run(batch.front()->pipeline().denoiser(), rows, cap.at_once());
  double forward = Seconds(Clock::now() - begin);
  const bool failed = std::any_of(results.begin(), results.end(),
                                  [](const RowResult& result) { return result.error != nullptr; });
  // Now, while all of the batch is the step thread's: a trajectory at its stage's end is not, once resumed.
  // A step that fails is over too soon to tell what one takes, and one that is run twice too late.
  if (fits) {
    costs_.NoteMemory(*batch.front(), *fits);
    meter_->OnOutOfMemory(model, rows.size(), *fits);
  } else if (!failed) {
    costs_.Record(*batch.front(), rows.size(), std::max(forward, 1e-9));
  }
  std::vector<RowResult> answers = AnswersOf(batch, results);
  const size_t scored = Lead(batch, cap.at_once(), answers);
  if (scored > 0) forward = Seconds(Clock::now() - begin);
  batches_.Took(forward);

  std::vector<TrajectoryPtr> ended;
  for (size_t i = 0; i < batch.size(); ++i) {
    const TrajectoryPtr& t = batch[i];
    t->at_risk += forward;
    try {
      if (answers[i].error) std::rethrow_exception(answers[i].error);
      t->evaluator.Answer(std::move(answers[i].output));
      ++t->call_in_step;
      t->running_step.Resume();
      if (!AfterStep(t)) ended.push_back(t);
    } catch (...) {
      Fail(t, std::current_exception());
      ended.push_back(t);
    }
  }
  std::erase_if(running_,
                [&](const auto& p) { return std::find(ended.begin(), ended.end(), p) != ended.end(); });

  const Clock::time_point end = Clock::now();
  step_clock_.Busy(end);
  meter_->OnBatch({model, batch.size(), rows.size() + scored, forward, Seconds(end - last_batch_end_)});
  last_batch_end_ = end;
}

std::vector<RowResult> Engine::AnswersOf(const std::vector<TrajectoryPtr>& batch,
                                         const std::vector<RowResult>& rows) {
  std::vector<RowResult> answers;
  auto row = rows.begin();
  for (const TrajectoryPtr& t : batch) {
    RowResult& answer = answers.emplace_back();
    std::vector<at::Tensor> outputs;
    for (size_t left = t->rows(); left > 0; --left, ++row) {
      outputs.push_back(row->output);
      if (row->error) answer.error = row->error;
    }
    if (answer.error) continue;
    try {
      answer.output = Guide(t->conditioning, outputs, t->evaluator.timestep(), t->guidance,
                            t->conditioning.PerturbedAt(t->call()));
    } catch (...) {
      answer.error = std::current_exception();
    }
  }
  return answers;
}

size_t Engine::Lead(const std::vector<TrajectoryPtr>& batch, size_t at_once,
                    std::vector<RowResult>& answers) {
  std::vector<EvaluationRow> rows;
  std::vector<size_t> places;
  for (size_t i = 0; i < batch.size(); ++i) {
    const auto& [scorer, scale, target] = batch[i]->conditioning.scoring;
    if (scorer == nullptr || answers[i].error) continue;
    const Evaluator& evaluator = batch[i]->evaluator;
    try {
      rows.push_back({scorer->Seen(evaluator.input(), evaluator.timestep(), answers[i].output),
                      evaluator.timestep(),
                      target,
                      {}});
      places.push_back(i);
    } catch (...) {
      answers[i].error = std::current_exception();
    }
  }
  if (rows.empty()) return 0;
  // One, as they are of one model.
  const PictureScorer& scorer = *batch[places.front()]->conditioning.scoring.scorer;
  const std::vector<RowResult> gradients = runner_.Run(scorer.network(), rows, at_once).results;
  for (size_t row = 0; row < rows.size(); ++row) {
    RowResult& answer = answers[places[row]];
    answer.error = gradients[row].error;
    if (answer.error) continue;
    answer.output = scorer.Moved(answer.output, rows[row].timestep, gradients[row].output,
                                 batch[places[row]]->conditioning.scoring.scale);
  }
  return rows.size();
}

bool Engine::Advance(const TrajectoryPtr& trajectory) {
  Trajectory& t = *trajectory;
  if (t.running_step) return true;  // parked in the middle of a step
  if (!t.started) {
    t.started = true;
    t.events->OnStarted(t.resumed ? t.step() : 0);
  }
  if (t.at_stage_end()) {  // a checkpoint taken after the last step, or begun beyond where the stage ends
    FinishStage(trajectory);
    return false;
  }
  try {
    do {  // an adaptive sampler may be through with a step before asking anything
      t.call_in_step = 0;
      t.running_step = t.sampler().Step(t.state, t.evaluator);
      t.running_step.Resume();
      if (!t.running_step.done()) return true;
    } while (AfterStep(trajectory));
  } catch (...) {
    Fail(trajectory, std::current_exception());
  }
  return false;
}

bool Engine::AfterStep(const TrajectoryPtr& trajectory) {
  Trajectory& t = *trajectory;
  if (!t.running_step.done()) return true;
  t.running_step = Task();
  ++t.state.step;
  KeepKnown(t.start, t.sampler(), t.state);
  t.events->OnStep(t.step(), t.steps());
  if (t.at_stage_end()) {
    FinishStage(trajectory);
    return false;
  }
  OfferPreview(trajectory);
  OfferCheckpoint(trajectory);
  return true;
}

void Engine::GiveBack(const TrajectoryPtr& trajectory) {
  const Trajectory& t = *trajectory;
  std::string bytes;
  try {
    if (t.step() > 0 && !device_lost_) bytes = SerializeCheckpoint(CheckpointParts::Of(t), t);
  } catch (const std::exception& e) {
    meter_->OnCheckpointFailed(e.what());
  }
  const int64_t step = bytes.empty() ? 0 : t.step();  // without its state nothing was done
  End(trajectory, [&](TrajectoryEvents& events) { events.OnHandedBack(step, std::move(bytes)); });
}

void Engine::End(const TrajectoryPtr& trajectory, const std::function<void(TrajectoryEvents&)>& tell) {
  tell(*trajectory->events);
  {
    const MutexLock lock(mutex_);
    ComeBack(*trajectory);
    active_.erase(trajectory->id);
    stirred_ = true;
  }
  changed_.notify_all();
}

void Engine::Fail(const TrajectoryPtr& trajectory, std::exception_ptr error) {
  if (FaultOf(error) == MachineFault::kDeviceLost) LoseDevice(error);
  // What goes wrong on a device that is lost is nobody's fault, and can be made elsewhere.
  if (device_lost_) return End(trajectory, [](TrajectoryEvents& events) { events.OnHandedBack(0, ""); });
  End(trajectory, [&](TrajectoryEvents& events) { events.OnFailed(error); });
}

void Engine::LoseDevice(const std::exception_ptr& error) {
  if (device_lost_.exchange(true)) return;
  {
    const MutexLock lock(mutex_);
    for (auto& [id, trajectory] : active_) trajectory->handed_back = true;
    stirred_ = true;
  }
  changed_.notify_all();
  admission_->Recheck();
  if (!options_.device_lost) return;
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    options_.device_lost(e.what());
  }
}

}  // namespace mind::diffusion
