#include "server/dispatch/dispatcher.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"

namespace mind::server {
namespace {

// A worker that would first have to load the model counts as this many pictures busier.
constexpr int64_t kLoadPenalty = 4;

}  // namespace

Actions Dispatcher::OnSubmit(const v1::Job& job, double rows, const std::set<uint32_t>& images_done,
                             const Moment& now) {
  ActiveJob& active = jobs_[job.id()];
  active.job = job;
  active.rows = rows;
  if (job.has_deadline()) active.deadline = FromTimestamp(job.deadline());
  active.images.resize(job.spec().image_count());
  for (const uint32_t index : images_done) {
    if (index >= active.images.size()) continue;
    active.images[index].done = true;
    active.images[index].step = active.steps_per_image();
  }
  UpdateCounts(active);
  Actions actions;
  if (active.job.images_done() == job.spec().image_count()) {
    End(job.id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
    return actions;
  }
  queue_.Push(ToQueued(active));
  Place(now, actions);
  return actions;
}

Actions Dispatcher::OnCancel(const std::string& id, const absl::Status& reason, const Moment& now) {
  Actions actions;
  if (jobs_.count(id) == 0) return actions;
  const bool cancelled = absl::IsCancelled(reason);
  End(id, cancelled ? v1::JOB_STATE_CANCELLED : v1::JOB_STATE_FAILED, reason, now, actions);
  Place(now, actions);
  return actions;
}

Actions Dispatcher::OnWorkerConnected(const v1::Register& registration, const Moment& now) {
  Actions actions;
  LoseWorker(registration.name(), now, actions);
  workers_[registration.name()] =
      Worker{.registration = registration, .connected = now.wall, .last_heard = now.steady};
  return actions;
}

Actions Dispatcher::OnWorkerLost(const std::string& worker, const Moment& now) {
  Actions actions;
  LoseWorker(worker, now, actions);
  Place(now, actions);
  return actions;
}

Actions Dispatcher::OnWorkerMessage(const std::string& name, const v1::ConnectRequest& message,
                                    const Moment& now) {
  Actions actions;
  const auto found = workers_.find(name);
  if (found == workers_.end()) return actions;
  Worker& worker = found->second;
  worker.last_heard = now.steady;
  switch (message.message_case()) {
    case v1::ConnectRequest::kCapacity:
      worker.capacity = message.capacity();
      worker.ready = true;
      for (const v1::ModelSpeed& speed : message.capacity().speeds())
        row_seconds_[speed.model()] = speed.row_seconds();
      break;
    case v1::ConnectRequest::kImageStarted:
      OnStarted(name, message.image_started(), actions);
      break;
    case v1::ConnectRequest::kImageProgress:
      OnProgress(name, message.image_progress());
      break;
    case v1::ConnectRequest::kImageCheckpoint: {
      const v1::ImageCheckpoint& checkpoint = message.image_checkpoint();
      OnCheckpoint(checkpoint.image(), checkpoint.step(), checkpoint.data());
      break;
    }
    case v1::ConnectRequest::kImageResult:
      OnResult(name, message.image_result().image(), now, actions);
      break;
    case v1::ConnectRequest::kImageFailure:
      OnFailure(name, message.image_failure(), now, actions);
      break;
    case v1::ConnectRequest::kImageCancelled:
      OnImageLeft(name, message.image_cancelled().image(), now, actions);
      break;
    case v1::ConnectRequest::kImageHandedBack: {
      const v1::ImageHandedBack& handed = message.image_handed_back();
      OnCheckpoint(handed.image(), handed.step(), handed.checkpoint());
      OnImageLeft(name, handed.image(), now, actions);
      break;
    }
    case v1::ConnectRequest::kDraining:
      worker.draining = true;
      break;
    case v1::ConnectRequest::kRegister:
    case v1::ConnectRequest::kImagePreview:
    case v1::ConnectRequest::MESSAGE_NOT_SET:
      break;
  }
  Place(now, actions);
  return actions;
}

Actions Dispatcher::OnTick(const Moment& now) {
  Actions actions;
  std::vector<std::string> silent;
  for (const auto& [name, worker] : workers_) {
    if (now.steady - worker.last_heard > options_.lease) silent.push_back(name);
  }
  for (const std::string& name : silent) {
    actions.push_back(DropWorker{name});
    LoseWorker(name, now, actions);
  }
  std::vector<std::string> late;
  for (const auto& [id, job] : jobs_) {
    if (now.wall >= job.deadline) late.push_back(id);
  }
  for (const std::string& id : late) {
    const ActiveJob& job = jobs_.at(id);
    const absl::Time created = FromTimestamp(job.job.create_time());
    const absl::Time started = job.job.has_start_time() ? FromTimestamp(job.job.start_time()) : now.wall;
    End(id, v1::JOB_STATE_FAILED,
        MakeError(absl::StatusCode::kDeadlineExceeded,
                  absl::StrCat("the deadline passed after ", job.job.steps_done(), " of ",
                               job.job.steps_total(), " steps"),
                  "DEADLINE_EXCEEDED",
                  {{"queuedMs", absl::StrCat(absl::ToInt64Milliseconds(started - created))},
                   {"stepsDone", absl::StrCat(job.job.steps_done())},
                   {"stepsTotal", absl::StrCat(job.job.steps_total())}}),
        now, actions);
  }
  Place(now, actions);
  return actions;
}

bool Dispatcher::AcceptsResult(const std::string& worker, const v1::ImageRef& image) const {
  const auto found = jobs_.find(image.job_id());
  return found != jobs_.end() && found->second.worker == worker &&
         found->second.job.attempt() == image.attempt() &&
         image.image_index() < found->second.images.size() && !found->second.images[image.image_index()].done;
}

// --- Placement.

bool Dispatcher::Serves(const Worker& worker, const std::string& model) {
  const auto& models = worker.registration.models();
  return std::any_of(models.begin(), models.end(), [&](const v1::Model& m) { return m.name() == model; });
}

bool Dispatcher::HasLoaded(const Worker& worker, const std::string& model) {
  const auto& loaded = worker.capacity.loaded_models();
  return std::find(loaded.begin(), loaded.end(), model) != loaded.end();
}

int64_t Dispatcher::Room(const Worker& worker, int priority) {
  const int64_t occupied = std::count_if(worker.running.begin(), worker.running.end(),
                                         [priority](const auto& entry) { return entry.second >= priority; });
  return static_cast<int64_t>(worker.capacity.max_images()) - occupied;
}

std::string Dispatcher::ChooseWorker(const ActiveJob& job) const {
  std::string best;
  int64_t best_load = 0;
  const auto left = static_cast<int64_t>(job.images.size()) - job.job.images_done();
  for (const auto& [name, worker] : workers_) {
    if (!worker.ready || worker.draining || !Serves(worker, job.job.spec().model())) continue;
    const int64_t room = Room(worker, job.job.priority());
    if (room < left && !(room > 0 && worker.running.empty())) continue;
    const int64_t load = static_cast<int64_t>(worker.running.size()) +
                         (HasLoaded(worker, job.job.spec().model()) ? 0 : kLoadPenalty);
    if (best.empty() || load < best_load) {
      best = name;
      best_load = load;
    }
  }
  return best;
}

void Dispatcher::Place(const Moment& now, Actions& actions) {
  if (!placing_) return;
  for (;;) {
    std::string worker;
    const std::optional<QueuedJob> next = queue_.Pop(now.wall, [&](const QueuedJob& candidate) {
      const std::string chosen = ChooseWorker(jobs_.at(candidate.id));
      return !chosen.empty();
    });
    if (!next) return;
    ActiveJob& job = jobs_.at(next->id);
    worker = ChooseWorker(job);
    Assign(job, worker, now, actions);
  }
}

void Dispatcher::Assign(ActiveJob& active, const std::string& name, const Moment& now, Actions& actions) {
  v1::Job& job = active.job;
  active.worker = name;
  active.start_reported = false;
  active.outstanding.clear();
  job.set_attempt(job.attempt() + 1);
  job.set_state(v1::JOB_STATE_RUNNING);
  if (!job.has_start_time()) *job.mutable_start_time() = ToTimestamp(now.wall);

  SendAssign send{.worker = name};
  send.assign.set_job_id(job.id());
  send.assign.set_attempt(job.attempt());
  *send.assign.mutable_spec() = job.spec();
  send.assign.set_priority(job.priority());
  Worker& worker = workers_.at(name);
  for (uint32_t index = 0; index < active.images.size(); ++index) {
    Image& image = active.images[index];
    if (image.done) continue;
    image.step = image.checkpoint_step;
    v1::AssignedImage* const assigned = send.assign.add_images();
    assigned->set_image_index(index);
    assigned->set_checkpoint(image.checkpoint);
    active.outstanding.insert(index);
    worker.running[{job.id(), job.attempt(), index}] = job.priority();
  }
  UpdateCounts(active);
  active.steps_at_start = job.steps_done();
  actions.push_back(std::move(send));
}

void Dispatcher::Requeue(ActiveJob& active, const Moment& now, Actions& actions) {
  active.stalled_attempts = active.job.steps_done() > active.steps_at_start ? 0 : active.stalled_attempts + 1;
  if (active.stalled_attempts >= options_.max_stalled_attempts) {
    End(active.job.id(), v1::JOB_STATE_FAILED,
        MakeError(absl::StatusCode::kInternal,
                  absl::StrCat("the job lost its worker ", active.stalled_attempts,
                               " times in a row without progress"),
                  "WORKER_LOST", {{"attempts", absl::StrCat(active.job.attempt())}}),
        now, actions);
    return;
  }
  active.worker.clear();
  active.outstanding.clear();
  active.job.set_state(v1::JOB_STATE_QUEUED);
  for (Image& image : active.images) {
    if (!image.done) image.step = image.checkpoint_step;
  }
  UpdateCounts(active);
  queue_.PushToHead(ToQueued(active));
  actions.push_back(JobRequeuedAction{active.job});
}

void Dispatcher::End(const std::string& id, v1::JobState state, const absl::Status& error, const Moment& now,
                     Actions& actions) {
  const auto found = jobs_.find(id);
  ActiveJob& active = found->second;
  queue_.Remove(id);
  if (!active.worker.empty() && !active.outstanding.empty()) {
    SendCancel send{.worker = active.worker};
    send.cancel.set_job_id(id);
    send.cancel.set_attempt(active.job.attempt());
    actions.push_back(std::move(send));
  }
  active.job.set_state(state);
  *active.job.mutable_end_time() = ToTimestamp(now.wall);
  if (!error.ok()) *active.job.mutable_error() = ToProto(error);
  actions.push_back(JobEndedAction{std::move(active.job)});
  jobs_.erase(found);
}

void Dispatcher::LoseWorker(const std::string& name, const Moment& now, Actions& actions) {
  if (workers_.erase(name) == 0) return;
  std::vector<std::string> orphans;
  for (const auto& [id, job] : jobs_) {
    if (job.worker == name) orphans.push_back(id);
  }
  for (const std::string& id : orphans) Requeue(jobs_.at(id), now, actions);
}

// --- What workers say.

Dispatcher::ActiveJob* Dispatcher::FindAttempt(const std::string& worker, const v1::ImageRef& image) {
  const auto found = jobs_.find(image.job_id());
  if (found == jobs_.end() || found->second.worker != worker ||
      found->second.job.attempt() != image.attempt() || image.image_index() >= found->second.images.size()) {
    return nullptr;
  }
  return &found->second;
}

void Dispatcher::OnStarted(const std::string& worker, const v1::ImageStarted& started, Actions& actions) {
  ActiveJob* const job = FindAttempt(worker, started.image());
  if (job == nullptr || job->start_reported) return;
  job->start_reported = true;
  actions.push_back(JobStartedAction{job->job, worker, job->steps_at_start});
}

void Dispatcher::OnProgress(const std::string& worker, const v1::ImageProgress& progress) {
  ActiveJob* const job = FindAttempt(worker, progress.image());
  if (job == nullptr) return;
  job->images[progress.image().image_index()].step = std::min(progress.step(), job->steps_per_image());
  UpdateCounts(*job);
}

void Dispatcher::OnCheckpoint(const v1::ImageRef& ref, uint32_t step, const std::string& data) {
  // From whichever attempt: all attempts of a job go through the same states.
  const auto found = jobs_.find(ref.job_id());
  if (found == jobs_.end() || ref.image_index() >= found->second.images.size() || data.empty()) return;
  Image& image = found->second.images[ref.image_index()];
  if (step <= image.checkpoint_step || step > found->second.steps_per_image()) return;
  image.checkpoint_step = step;
  image.checkpoint = data;
}

void Dispatcher::OnResult(const std::string& worker, const v1::ImageRef& ref, const Moment& now,
                          Actions& actions) {
  if (AcceptsResult(worker, ref)) {
    ActiveJob& job = jobs_.at(ref.job_id());
    Image& image = job.images[ref.image_index()];
    image.done = true;
    image.step = job.steps_per_image();
    image.checkpoint.clear();
    UpdateCounts(job);
    if (job.job.images_done() == job.images.size()) {
      job.outstanding.erase(ref.image_index());
      End(ref.job_id(), v1::JOB_STATE_SUCCEEDED, absl::OkStatus(), now, actions);
    }
  }
  OnImageLeft(worker, ref, now, actions);
}

void Dispatcher::OnFailure(const std::string& worker, const v1::ImageFailure& failure, const Moment& now,
                           Actions& actions) {
  ActiveJob* const job = FindAttempt(worker, failure.image());
  const absl::Status error = FromProto(failure.error());
  if (job != nullptr && absl::IsDataLoss(error)) {
    // The checkpoint is no good. From the start, then; the attempt's stall count bounds how often.
    for (Image& image : job->images) image = image.done ? image : Image();
  } else if (job != nullptr) {
    job->outstanding.erase(failure.image().image_index());
    End(failure.image().job_id(), v1::JOB_STATE_FAILED, error, now, actions);
  }
  OnImageLeft(worker, failure.image(), now, actions);
}

void Dispatcher::OnImageLeft(const std::string& worker, const v1::ImageRef& ref, const Moment& now,
                             Actions& actions) {
  const auto found = workers_.find(worker);
  if (found != workers_.end()) found->second.running.erase({ref.job_id(), ref.attempt(), ref.image_index()});
  ActiveJob* const job = FindAttempt(worker, ref);
  if (job == nullptr) return;
  job->outstanding.erase(ref.image_index());
  if (job->outstanding.empty()) Requeue(*job, now, actions);
}

// --- Views.

const v1::Job* Dispatcher::Find(const std::string& id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second.job;
}

size_t Dispatcher::running_jobs() const {
  return jobs_.size() - queue_.size();
}

double Dispatcher::RowSeconds(const std::string& model) const {
  const auto found = row_seconds_.find(model);
  return found == row_seconds_.end() ? options_.default_row_seconds : found->second;
}

double Dispatcher::RemainingRows(const ActiveJob& job) const {
  const double total = std::max<double>(job.job.steps_total(), 1);
  return job.rows * (1 - static_cast<double>(job.job.steps_done()) / total);
}

void Dispatcher::UpdateCounts(ActiveJob& job) const {
  uint32_t done = 0, steps = 0;
  for (const Image& image : job.images) {
    done += image.done ? 1 : 0;
    steps += image.step;
  }
  job.job.set_images_done(done);
  job.job.set_steps_done(steps);
}

QueuedJob Dispatcher::ToQueued(const ActiveJob& job) const {
  return {.id = job.job.id(),
          .tenant = job.job.tenant(),
          .model = job.job.spec().model(),
          .priority = job.job.priority(),
          .cost_seconds = RemainingRows(job) * RowSeconds(job.job.spec().model()),
          .steps = static_cast<int64_t>(job.job.steps_total()) - job.job.steps_done(),
          .deadline = job.deadline};
}

std::optional<absl::Duration> Dispatcher::EstimatedWait() const {
  if (workers_.empty()) return std::nullopt;
  double seconds = queue_.total_cost_seconds();
  for (const auto& [id, job] : jobs_) {
    if (!job.worker.empty()) seconds += RemainingRows(job) * RowSeconds(job.job.spec().model());
  }
  return absl::Seconds(seconds / static_cast<double>(workers_.size()));
}

std::optional<absl::Duration> Dispatcher::EstimatedWaitOf(const std::string& id, absl::Time now) const {
  if (workers_.empty() || !queue_.Contains(id)) return std::nullopt;
  return absl::Seconds(queue_.AheadOf(id, now).cost_seconds / static_cast<double>(workers_.size()));
}

std::optional<absl::Duration> Dispatcher::EstimatedRemaining(const std::string& id) const {
  const auto found = jobs_.find(id);
  if (found == jobs_.end() || found->second.worker.empty()) return std::nullopt;
  // Batch neighbours share the worker: their rows are done in between.
  double rows = 0;
  for (const auto& [other_id, other] : jobs_) {
    if (other.worker != found->second.worker) continue;
    rows += std::min(RemainingRows(other), RemainingRows(found->second));
  }
  return absl::Seconds(rows * RowSeconds(found->second.job.spec().model()));
}

std::map<std::string, Dispatcher::WorkerView> Dispatcher::Workers() const {
  std::map<std::string, WorkerView> views;
  for (const auto& [name, worker] : workers_) {
    views[name] = {.registration = worker.registration,
                   .capacity = worker.capacity,
                   .ready = worker.ready,
                   .draining = worker.draining,
                   .running_images = worker.running.size(),
                   .connected = worker.connected};
  }
  return views;
}

std::map<std::string, int64_t> Dispatcher::RunningByModel() const {
  std::map<std::string, int64_t> models;
  for (const auto& [id, job] : jobs_) {
    if (!job.worker.empty()) ++models[job.job.spec().model()];
  }
  return models;
}

}  // namespace mind::server
