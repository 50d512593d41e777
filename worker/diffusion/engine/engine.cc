#include "worker/diffusion/engine/engine.h"

#include <algorithm>

#include "worker/diffusion/engine/checkpoint.h"
#include "worker/diffusion/engine/hash.h"
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/resize.h"
#include "worker/diffusion/samplers/registry.h"

namespace mind::diffusion {
namespace {

EngineMeter& NoMeter() {
  static EngineMeter* const none = new EngineMeter;
  return *none;
}

double Seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::string ShapeKey(const Trajectory& trajectory) {
  std::string key = trajectory.request.model;
  for (const int64_t extent : trajectory.stage().shape) key += " " + std::to_string(extent);
  return key;
}

// The request's pictures, decoded and resized. An upscaler's source is as much smaller as it will enlarge.
Source SourceOf(const TrajectoryRequest& request, const Pipeline& pipeline, const Engine::Decode& decode) {
  Source source;
  if (request.source.empty() && request.mask.empty() && request.depth.empty()) return source;
  if (!decode) throw RequestError("source pictures are not supported here");
  if (!(request.strength >= 0 && request.strength <= 1)) throw RequestError("strength must be 0 to 1");
  const at::Device device = pipeline.device();
  const std::vector<int64_t> size = pipeline.SourceSize(request.width, request.height);
  source.strength = pipeline.info().enlargement > 1 ? 1 : request.strength;
  if (!request.source.empty())
    source.picture = ToFloats(ResizePicture(decode(request.source), size[0], size[1]), device);
  if (!request.mask.empty())
    source.mask = ToFloats(ResizePicture(ToGrey(decode(request.mask)), size[0], size[1]), device);
  if (!request.depth.empty()) source.depth = ToFloats(ToGrey(decode(request.depth)), device);
  return source;
}

void ExpectSize(const TrajectoryRequest& request, const ModelInfo& info) {
  if (request.width >= 1 && request.height >= 1 && request.width % info.size_multiple == 0 &&
      request.height % info.size_multiple == 0) {
    return;
  }
  throw RequestError("width and height must be multiples of " + std::to_string(info.size_multiple) +
                     ", given: " + std::to_string(request.width) + "x" + std::to_string(request.height));
}

// A generator for every stage, so that one that begins again, from a checkpoint, draws what it drew before,
// however much the stages before it drew. The first's is the one that the seed means to everybody.
std::unique_ptr<SeededNoise> NoiseOf(const TrajectoryRequest& request, size_t stage) {
  if (stage == 0) return std::make_unique<SeededNoise>(request.seed);
  return std::make_unique<SeededNoise>(HashOf(std::to_string(request.seed) + " " + std::to_string(stage)));
}

// The first is sampled as the request says, the later ones of a cascade as the model does.
std::vector<Stage> StagesOf(const TrajectoryRequest& request, std::shared_ptr<const Pipeline> model) {
  std::vector<Stage> stages;
  int64_t steps = 0;
  for (std::shared_ptr<const Pipeline> pipeline = std::move(model); pipeline != nullptr;
       pipeline = {pipeline, pipeline->next()}) {  // kept alive by the whole model
    const ModelInfo& info = pipeline->info();
    Stage stage;
    stage.sampler = stages.empty()
                        ? MakeSampler(request.sampler, pipeline->sampler_config(), request.steps,
                                      request.sampler_parameters)
                        : MakeSampler(info.default_sampler, pipeline->sampler_config(), info.default_steps);
    stage.shape = pipeline->LatentShape(request.width, request.height);
    stage.first_step = steps;
    stage.pipeline = pipeline;
    steps += stage.sampler->steps();
    stages.push_back(std::move(stage));
  }
  return stages;
}

}  // namespace

Engine::Engine(ModelSource& models, const Options& options, EngineMeter* meter)
    : options_(options),
      meter_(meter != nullptr ? meter : &NoMeter()),
      executor_(options.device.is_cpu() ? MakeSideBySideExecutor(options.row_threads)
                                        : MakeBatchedExecutor()),
      side_(std::make_unique<ThreadPool>(options.side_threads)),
      previews_(std::make_unique<ThreadPool>(1)),
      admission_(std::make_unique<Admission>(
          models, *side_,
          [this](const TrajectoryPtr& trajectory, const std::shared_ptr<const Pipeline>& model,
                 std::exception_ptr error) { Prepare(trajectory, model, error); })),
      step_thread_([this] { RunSteps(); }) {}

Engine::~Engine() {
  {
    const std::lock_guard lock(mutex_);
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
  trajectory->request = std::move(request);
  trajectory->events = std::move(events);
  {
    const std::lock_guard lock(mutex_);
    trajectory->id = next_id_++;
    trajectory->cancelled = stopping_;
    active_[trajectory->id] = trajectory;
  }
  admission_->Enter(trajectory);
  return trajectory->id;
}

void Engine::Cancel(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = active_.find(id);
    if (found == active_.end()) return;
    found->second->cancelled = true;
  }
  changed_.notify_all();
  admission_->Recheck();
}

void Engine::HandBack(uint64_t id) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = active_.find(id);
    if (found == active_.end()) return;
    found->second->handed_back = true;
  }
  changed_.notify_all();
  admission_->Recheck();
}

void Engine::WaitUntilIdle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return active_.empty(); });
}

size_t Engine::active() const {
  const std::lock_guard lock(mutex_);
  return active_.size();
}

std::map<std::string, double> Engine::RowSeconds() const {
  const std::lock_guard lock(mutex_);
  return row_seconds_;
}

void Engine::Prepare(const TrajectoryPtr& trajectory, const std::shared_ptr<const Pipeline>& model,
                     std::exception_ptr error) {
  Trajectory& t = *trajectory;
  if (t.cancelled) return End(trajectory, [](TrajectoryEvents& events) { events.OnCancelled(0); });
  if (error) return Fail(trajectory, error);
  if (model == nullptr) return End(trajectory, [](TrajectoryEvents& events) { events.OnHandedBack(0, ""); });
  try {
    const c10::InferenceMode inference;
    ExpectSize(t.request, model->info());
    t.stages = StagesOf(t.request, model);
    if (t.request.checkpoint.empty()) {
      BeginStage(t);
    } else {
      t.resumed = true;
      Checkpoint checkpoint = ParseCheckpoint(t.request.checkpoint, t.request, t.stages);
      t.request.checkpoint.clear();
      t.stage_number = checkpoint.stage;
      t.stage_source = std::move(checkpoint.stage_source);
      // Where x is comes from the checkpoint; what of a picture it has to keep or is shown does not. The
      // noise drawn for that is drawn again.
      const bool needs_start = t.stage_number > 0 || t.pipeline().info().enlargement > 1 ||
                               !t.request.mask.empty() || !t.request.depth.empty();
      if (needs_start) {
        BeginStage(t);
      } else {
        t.conditioning = ConditionOf(t);
      }
      t.state = std::move(checkpoint.state);
    }
  } catch (...) {
    return Fail(trajectory, std::current_exception());
  }
  Arrive(trajectory);
}

Conditioning Engine::ConditionOf(const Trajectory& t) const {
  Conditioning conditioning = t.pipeline().Condition(t.request.picture);
  for (ConditionRow& row : conditioning.rows) row.channels = t.start.channels;
  return conditioning;
}

void Engine::BeginStage(Trajectory& t) const {
  std::unique_ptr<NoiseSource> noise = NoiseOf(t.request, t.stage_number);
  Source source;
  if (t.stage_number == 0) {
    source = SourceOf(t.request, t.pipeline(), options_.decode);
  } else {
    source.picture = ToFloats(t.stage_source, t.pipeline().device());
  }
  t.start = t.pipeline().Begin(source, t.request.picture, t.stage().shape, *noise);
  t.conditioning = ConditionOf(t);
  t.state = Beginning(t.start, source.strength, t.sampler());
  t.state.noise = std::move(noise);
}

void Engine::Arrive(const TrajectoryPtr& trajectory) {
  {
    const std::lock_guard lock(mutex_);
    arrivals_.push_back(trajectory);
  }
  changed_.notify_all();
}

void Engine::FinishStage(const TrajectoryPtr& trajectory) {
  Trajectory& t = *trajectory;
  if (t.stage_number + 1 == t.stages.size()) return Finish(trajectory);
  side_->Post([this, trajectory] {
    Trajectory& t = *trajectory;
    try {
      const c10::InferenceMode inference;
      t.stage_source = ToBytes(t.pipeline().Decode(t.state.x));
      ++t.stage_number;
      BeginStage(t);
    } catch (...) {
      return Fail(trajectory, std::current_exception());
    }
    Arrive(trajectory);
  });
}

void Engine::RunSteps() {
  const c10::InferenceMode inference;
  last_batch_end_ = Clock::now();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (running_.empty() && arrivals_.empty()) {
        step_clock_.Idle();
        changed_.wait(lock, [this] { return !arrivals_.empty() || (stopping_ && active_.empty()); });
        if (arrivals_.empty()) return;
        last_batch_end_ = Clock::now();  // waiting for work is not a step's overhead
        step_clock_.Busy(last_batch_end_);
      }
      running_.insert(running_.end(), arrivals_.begin(), arrivals_.end());
      arrivals_.clear();
    }

    std::vector<TrajectoryPtr> still_running;
    std::vector<TrajectoryPtr> parked;
    for (const TrajectoryPtr& trajectory : running_) {
      if (trajectory->cancelled) {
        End(trajectory, [&](TrajectoryEvents& events) { events.OnCancelled(trajectory->step()); });
      } else if (trajectory->handed_back && !trajectory->running_step) {
        GiveBack(trajectory);
      } else if (Advance(trajectory)) {
        parked.push_back(trajectory);
        still_running.push_back(trajectory);
      }
    }
    running_ = std::move(still_running);
    if (parked.empty()) continue;

    RunBatch(ChooseStepBatch(std::move(parked), [this](const Trajectory& leader) {
      return caps_.try_emplace(ShapeKey(leader), options_.batch).first->second.cap();
    }));
  }
}

void Engine::RunBatch(const std::vector<TrajectoryPtr>& batch) {
  ++batch_number_;
  // Now, while all of the batch is the step thread's: a trajectory at its stage's end is not, once resumed.
  BatchCap& cap = caps_.at(ShapeKey(*batch.front()));
  std::vector<EvaluationRow> rows;
  for (const TrajectoryPtr& t : batch) {
    t->last_served = batch_number_;
    for (const ConditionRow& condition : t->conditioning.rows) {
      rows.push_back({t->evaluator.input(), t->evaluator.timestep(), condition, t->conditioning.adapters});
    }
  }
  const Clock::time_point begin = Clock::now();
  const std::vector<RowResult> results = executor_->Run(batch.front()->pipeline().denoiser(), rows);
  const double forward = Seconds(Clock::now() - begin);

  size_t row = 0;
  std::vector<TrajectoryPtr> ended;
  for (const TrajectoryPtr& t : batch) {
    std::vector<at::Tensor> outputs;
    std::exception_ptr error;
    for (size_t i = 0; i < t->conditioning.rows.size(); ++i, ++row) {
      outputs.push_back(results[row].output);
      if (results[row].error) error = results[row].error;
    }
    try {
      if (error) std::rethrow_exception(error);
      t->evaluator.Answer(Guide(t->conditioning, outputs));
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
  const std::string model = batch.front()->request.model;
  cap.Record(rows.size(), std::max(forward, 1e-9));
  {
    const std::lock_guard lock(mutex_);
    row_seconds_[model] = cap.seconds_per_row();
  }
  meter_->OnBatch({model, batch.size(), rows.size(), forward, Seconds(end - last_batch_end_)});
  last_batch_end_ = end;
}

bool Engine::Advance(const TrajectoryPtr& trajectory) {
  Trajectory& t = *trajectory;
  if (t.running_step) return true;  // parked in the middle of a step
  if (!t.started) {
    t.started = true;
    t.last_checkpoint = Clock::now();
    t.events->OnStarted(t.resumed ? t.step() : 0);
  }
  if (t.state.step >= t.sampler().steps()) {  // a checkpoint taken after the last step
    FinishStage(trajectory);
    return false;
  }
  try {
    do {  // an adaptive sampler may be through with a step before asking anything
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
  if (t.state.step == t.sampler().steps()) {
    FinishStage(trajectory);
    return false;
  }
  OfferPreview(trajectory);
  OfferCheckpoint(trajectory);
  return true;
}

void Engine::OfferPreview(const TrajectoryPtr& trajectory) {
  Trajectory& t = *trajectory;
  if (t.request.preview_every < 1 || t.step() % t.request.preview_every != 0 || !t.state.denoised.defined())
    return;
  const PreviewSlot::Offered offered = t.preview.Offer({t.step(), t.state.denoised, &t.pipeline()});
  if (offered == PreviewSlot::Offered::kReplacedOlder || offered == PreviewSlot::Offered::kDropped) {
    meter_->OnPreviewDropped();
  }
  if (offered != PreviewSlot::Offered::kStartRendering) return;
  previews_->Post([trajectory] {
    while (const auto estimate = trajectory->preview.Take()) {
      try {
        trajectory->events->OnPreview(estimate->step, ToBytes(estimate->pipeline->Preview(estimate->x0)));
      } catch (const c10::Error&) {
        // A preview that cannot be made (out of GPU memory, say) must not end the picture.
      }
    }
  });
}

void Engine::OfferCheckpoint(const TrajectoryPtr& trajectory) {
  Trajectory& t = *trajectory;
  const Clock::time_point now = Clock::now();
  if (now - t.last_checkpoint < options_.checkpoint_interval) return;
  t.last_checkpoint = now;
  side_->Post([trajectory, step = t.step(), parts = CheckpointParts::Of(t)] {
    trajectory->events->OnCheckpoint(step, SerializeCheckpoint(parts, trajectory->request));
  });
}

void Engine::Finish(const TrajectoryPtr& trajectory) {
  side_->Post([this, trajectory] {
    try {
      const at::Tensor picture = ToBytes(trajectory->pipeline().Decode(trajectory->state.x));
      End(trajectory, [&](TrajectoryEvents& events) { events.OnPicture(picture); });
    } catch (...) {
      Fail(trajectory, std::current_exception());
    }
  });
}

void Engine::GiveBack(const TrajectoryPtr& trajectory) {
  const Trajectory& t = *trajectory;
  std::string bytes = t.step() > 0 ? SerializeCheckpoint(CheckpointParts::Of(t), t.request) : "";
  End(trajectory, [&](TrajectoryEvents& events) { events.OnHandedBack(t.step(), std::move(bytes)); });
}

void Engine::End(const TrajectoryPtr& trajectory, const std::function<void(TrajectoryEvents&)>& tell) {
  tell(*trajectory->events);
  {
    const std::lock_guard lock(mutex_);
    active_.erase(trajectory->id);
  }
  changed_.notify_all();
}

void Engine::Fail(const TrajectoryPtr& trajectory, std::exception_ptr error) {
  End(trajectory, [&](TrajectoryEvents& events) { events.OnFailed(error); });
}

}  // namespace mind::diffusion
