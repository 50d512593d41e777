#include "server/generation/service.h"

#include <google/protobuf/util/field_mask_util.h>

#include <sys/random.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/generation/outcome.h"

namespace mind::server {
namespace {

constexpr size_t kChunkBytes = 512 * 1024;
constexpr absl::Duration kFeedKeep = absl::Minutes(5);  // after that the store answers for an ended job
constexpr absl::Duration kPurgeInterval = absl::Minutes(1);
constexpr uint32_t kDefaultPage = 50, kMaxPage = 1000;
constexpr int kEpochShift = 40;  // sequences of one run of the server: 2^40 are enough

absl::Status UnknownJob(const std::string& id) {
  return NotFound("job", Printable(id), absl::StrCat("no job has the id \"", Printable(id), "\""));
}

// A model with no more of its samplers than a list of models tells.
v1::Model Summary(v1::Model model) {
  for (v1::Sampler& sampler : *model.mutable_samplers()) {
    sampler.clear_description();
    sampler.clear_aliases();
    sampler.clear_parameters();
  }
  return model;
}

// The event of a picture, cut into parts a message can carry.
void AppendChunks(const v1::JobEvent& event, const StoredImage& image, std::vector<v1::JobEvent>& out) {
  size_t offset = 0;
  do {
    v1::JobEvent part = event;
    v1::ImageChunk* const chunk = part.mutable_image();
    chunk->set_seed(image.seed);
    chunk->set_media_type(image.media_type);
    chunk->set_total_size(image.data.size());
    chunk->set_data(image.data.substr(offset, kChunkBytes));
    offset += chunk->data().size();
    chunk->set_last(offset >= image.data.size());
    out.push_back(std::move(part));
  } while (offset < image.data.size());
}

}  // namespace

v1::Job GenerationService::Public(const v1::Job& job) {
  using google::protobuf::util::FieldMaskUtil;
  // Copied without its pictures instead of copied and emptied: they are megabytes, and this is the loop's
  // thread.
  static const google::protobuf::FieldMask* const outside = [] {
    google::protobuf::FieldMask inside;
    for (const char* const path : {"spec.source_image", "spec.mask_image", "spec.depth_image"}) {
      inside.add_paths(path);
    }
    auto* const mask = new google::protobuf::FieldMask;
    FieldMaskUtil::Subtract<v1::Job>(FieldMaskUtil::GetFieldMaskForAllFields<v1::Job>(), inside, mask);
    return mask;
  }();
  v1::Job result;
  FieldMaskUtil::MergeMessageTo(job, *outside, {}, &result);
  return result;
}

GenerationService::GenerationService(const Options& options, JobStore& store, ServerMetrics& metrics)
    : options_(options),
      store_(store),
      metrics_(metrics),
      dispatcher_(options.dispatcher),
      feeds_(store.epoch() << kEpochShift) {}

absl::Status GenerationService::Recover() {
  absl::StatusOr<std::vector<v1::Model>> models = store_.Models();
  if (!models.ok()) return models.status();
  for (const v1::Model& model : *models) models_[model.name()] = model;
  absl::StatusOr<std::vector<v1::Job>> jobs = store_.Unfinished();
  if (!jobs.ok()) return jobs.status();
  for (v1::Job& job : *jobs) {
    const auto done = store_.ImageIndices(job.id());
    if (!done.ok()) return done.status();
    job.set_state(v1::JOB_STATE_QUEUED);
    const auto model = models_.find(job.spec().model());
    const double rows = CostInRows(job.spec(), model == models_.end() ? nullptr : &model->second);
    const Actions actions = dispatcher_.OnSubmit(job, rows, {done->begin(), done->end()}, Present());
    RebuildFeed(job);
    CarryOut(actions);
  }
  if (!jobs->empty()) LogInfo("took up jobs of an earlier run", {{"jobs", jobs->size()}});
  return absl::OkStatus();
}

// --- Clients.

absl::Status GenerationService::Admit() const {
  if (!admitting_) {
    return WithRetry(MakeError(absl::StatusCode::kUnavailable, "the server is going down", "SHUTTING_DOWN"),
                     absl::Seconds(2));
  }
  const absl::Duration wait = dispatcher_.EstimatedWait().value_or(absl::ZeroDuration());
  // About when one of those waiting will have gone.
  const absl::Duration retry =
      std::clamp(wait / static_cast<double>(std::max<size_t>(dispatcher_.queued_jobs(), 1)), absl::Seconds(1),
                 absl::Minutes(1));
  if (dispatcher_.queued_jobs() >= options_.max_queue) {
    return WithRetry(MakeError(absl::StatusCode::kResourceExhausted,
                               absl::StrCat("the queue is full: ", options_.max_queue, " jobs wait"),
                               "QUEUE_FULL", {{"queueCapacity", absl::StrCat(options_.max_queue)}}),
                     retry);
  }
  if (wait > options_.max_wait) {
    return WithRetry(
        MakeError(absl::StatusCode::kResourceExhausted,
                  absl::StrCat("the job would wait about ",
                               absl::FormatDuration(absl::Trunc(wait, absl::Seconds(1))), ", longer than ",
                               absl::FormatDuration(options_.max_wait)),
                  "WAIT_TOO_LONG", {{"estimatedWaitMs", absl::StrCat(absl::ToInt64Milliseconds(wait))}}),
        std::max(retry, wait - options_.max_wait));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Job> GenerationService::Submit(const v1::JobRequest& request, const Caller& caller) {
  const auto refuse = [this](absl::Status status) {
    const auto info = GetErrorInfo(status);
    metrics_.rejections[info ? info->reason() : "INTERNAL"].Increment();
    return status;
  };
  absl::StatusOr<ValidatedJob> valid =
      Validate(request, caller, models_, options_.limits, absl::Uniform<uint32_t>(random_), Now());
  if (!valid.ok()) return refuse(valid.status());
  if (!valid->request_id.empty()) {
    const auto earlier = store_.FindRequest(valid->tenant, valid->request_id);
    if (!earlier.ok()) return refuse(earlier.status());
    if (earlier->has_value()) {
      if ((*earlier)->fingerprint == valid->fingerprint) return Get((*earlier)->job_id, caller);
      return refuse(
          MakeError(absl::StatusCode::kAlreadyExists,
                    absl::StrCat("request_id \"", valid->request_id, "\" was used with another request"),
                    "REQUEST_ID_REUSED", {{"requestId", valid->request_id}, {"job", (*earlier)->job_id}}));
    }
  }
  if (absl::Status status = Admit(); !status.ok()) return refuse(status);

  v1::Job job;
  job.set_id(NewJobId());
  *job.mutable_spec() = valid->spec;
  job.set_priority(valid->priority);
  job.set_tenant(valid->tenant);
  job.set_state(v1::JOB_STATE_QUEUED);
  *job.mutable_create_time() = ToTimestamp(Now());
  if (valid->deadline != absl::InfiniteFuture()) *job.mutable_deadline() = ToTimestamp(valid->deadline);
  job.set_steps_total((valid->spec.steps() + valid->later_steps) * valid->spec.image_count());
  const absl::Status stored = store_.Insert(job, {valid->tenant, valid->request_id, valid->fingerprint});
  if (!stored.ok()) return refuse(stored);

  LogInfo("job accepted", {{"job", job.id()},
                           {"tenant", job.tenant()},
                           {"model", job.spec().model()},
                           {"steps", job.spec().steps()},
                           {"images", job.spec().image_count()}});
  const Actions actions = dispatcher_.OnSubmit(job, valid->rows, {}, Present());
  PublishQueued(job);
  CarryOut(actions);
  return Public(job);
}

absl::StatusOr<v1::Job> GenerationService::FindAny(const std::string& id, const Caller& caller) {
  std::optional<v1::Job> found;
  const v1::Job* job = dispatcher_.Find(id);
  if (job == nullptr) {
    if (!IsValidUtf8(id)) return UnknownJob(id);
    absl::StatusOr<std::optional<v1::Job>> stored = store_.Find(id);
    if (!stored.ok()) return stored.status();
    if (!stored->has_value()) return UnknownJob(id);
    found = **std::move(stored);
    job = &*found;
  }
  // Another tenant's job does not exist for this one.
  if (job->tenant() != caller.tenant) return UnknownJob(id);
  return Public(*job);
}

absl::StatusOr<v1::Job> GenerationService::Get(const std::string& id, const Caller& caller) {
  return FindAny(id, caller);
}

absl::StatusOr<v1::ListJobsResponse> GenerationService::List(const v1::ListJobsRequest& request,
                                                             const Caller& caller) {
  if (request.page_size() > kMaxPage) {
    return InvalidField("page_size", absl::StrCat(request.page_size(), " given; it must be 0 to ", kMaxPage));
  }
  if (!v1::JobState_IsValid(request.state())) {
    return InvalidField("state", absl::StrCat(static_cast<int>(request.state()), " is not a JobState"));
  }
  if (!request.page_token().empty() && !FindAny(request.page_token(), caller).ok()) {
    return InvalidField("page_token", "not a token this server has given out");
  }
  const int size = static_cast<int>(request.page_size() == 0 ? kDefaultPage : request.page_size());
  const auto state =
      request.state() == v1::JOB_STATE_UNSPECIFIED ? std::nullopt : std::optional(request.state());
  absl::StatusOr<std::vector<v1::Job>> jobs =
      store_.List(caller.tenant, state, request.page_token(), size + 1);
  if (!jobs.ok()) return jobs.status();
  v1::ListJobsResponse response;
  for (int i = 0; i < std::min<int>(size, static_cast<int>(jobs->size())); ++i) {
    const v1::Job& stored = (*jobs)[static_cast<size_t>(i)];
    const v1::Job* const active = dispatcher_.Find(stored.id());
    *response.add_jobs() = Public(active != nullptr ? *active : stored);
  }
  if (static_cast<int>(jobs->size()) > size) response.set_next_page_token(response.jobs().rbegin()->id());
  return response;
}

absl::StatusOr<v1::Job> GenerationService::Cancel(const std::string& id, const Caller& caller,
                                                  const absl::Status& reason) {
  absl::StatusOr<v1::Job> job = FindAny(id, caller);
  if (!job.ok()) return job;
  if (dispatcher_.Find(id) != nullptr) {
    CarryOut(dispatcher_.OnCancel(id, reason, Present()));
    return FindAny(id, caller);
  }
  if (job->state() != v1::JOB_STATE_CANCELLED) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     absl::StrCat("the job has already ended: ", OutcomeName(job->state())), "JOB_ENDED",
                     {{"state", OutcomeName(job->state())}});
  }
  return job;
}

absl::StatusOr<WatchId> GenerationService::Watch(const std::string& id, uint64_t after_sequence,
                                                 const Caller& caller, std::function<void()> on_news) {
  const absl::StatusOr<v1::Job> job = FindAny(id, caller);
  if (!job.ok()) return job.status();
  if (!feeds_.Has(id)) RebuildFeed(*job);
  return feeds_.Watch(id, after_sequence, std::move(on_news));
}

std::vector<v1::JobEvent> GenerationService::NextEvents(WatchId watch) {
  std::vector<v1::JobEvent> events;
  const JobEventPtr event = feeds_.Next(watch);
  if (event == nullptr) return events;
  if (event->event_case() == v1::JobEvent::kPreview) metrics_.previews_sent.Increment();
  if (event->event_case() != v1::JobEvent::kImage) {
    events.push_back(*event);
    return events;
  }
  const auto image = store_.FindImage(event->job_id(), event->image().image_index());
  if (image.ok() && image->has_value()) {
    AppendChunks(*event, **image, events);
    return events;
  }
  Persist(image.ok() ? absl::DataLossError("the picture is gone") : image.status(), "read a picture",
          event->job_id());
  return NextEvents(watch);
}

void GenerationService::Unwatch(WatchId watch) {
  feeds_.Unwatch(watch);
}

v1::ListModelsResponse GenerationService::ListModels() const {
  v1::ListModelsResponse response;
  for (const auto& [name, model] : models_) *response.add_models() = Summary(model);
  return response;
}

absl::StatusOr<v1::Model> GenerationService::GetModel(const std::string& name) const {
  const absl::StatusOr<const v1::Model*> model = FindModel("name", name, models_);
  if (!model.ok()) return model.status();
  return Summary(**model);
}

absl::StatusOr<v1::ListSamplersResponse> GenerationService::ListSamplers(const std::string& name) const {
  const absl::StatusOr<const v1::Model*> model = FindModel("model", name, models_);
  if (!model.ok()) return model.status();
  v1::ListSamplersResponse response;
  *response.mutable_samplers() = (*model)->samplers();
  response.set_default_sampler((*model)->default_sampler());
  return response;
}

v1::ListWorkersResponse GenerationService::ListWorkers() const {
  v1::ListWorkersResponse response;
  for (const auto& [name, view] : dispatcher_.Workers()) {
    v1::Worker* const worker = response.add_workers();
    worker->set_name(name);
    worker->set_device(view.registration.device());
    for (const v1::Model& model : view.registration.models()) worker->add_models(model.name());
    *worker->mutable_loaded_models() = view.capacity.loaded_models();
    worker->set_running_images(static_cast<uint32_t>(view.running_images));
    worker->set_max_images(view.capacity.max_images());
    worker->set_state(view.draining                                       ? v1::WORKER_STATE_DRAINING
                      : view.running_images >= view.capacity.max_images() ? v1::WORKER_STATE_BUSY
                                                                          : v1::WORKER_STATE_READY);
    *worker->mutable_connect_time() = ToTimestamp(view.connected);
  }
  return response;
}

void GenerationService::PublishQueued(const v1::Job& job) {
  v1::JobEvent event;
  *event.mutable_queued()->mutable_job() = Public(job);
  if (dispatcher_.queue().Contains(job.id())) {
    event.mutable_queued()->set_position(
        static_cast<uint32_t>(dispatcher_.queue().AheadOf(job.id(), Now()).jobs));
    if (const auto wait = dispatcher_.EstimatedWaitOf(job.id(), Now())) {
      *event.mutable_queued()->mutable_estimated_wait() = ToDuration(*wait);
    }
  }
  feeds_.Publish(job.id(), std::move(event));
}

// What a feed of this job would hold, from the store: for jobs of an earlier run, or ended long ago.
void GenerationService::RebuildFeed(const v1::Job& job) {
  if (dispatcher_.Find(job.id()) != nullptr) PublishQueued(job);
  const auto images = store_.ImageIndices(job.id());
  Persist(images.status(), "list a job's pictures", job.id());
  if (images.ok()) {
    for (const uint32_t index : *images) {
      v1::JobEvent event;
      event.mutable_image()->set_image_index(index);
      feeds_.Publish(job.id(), std::move(event));
    }
  }
  if (job.has_end_time()) {
    v1::JobEvent event;
    *event.mutable_completed()->mutable_job() = Public(job);
    feeds_.Publish(job.id(), std::move(event));
  }
}

void GenerationService::Persist(const absl::Status& status, const std::string& what,
                                const std::string& job_id) {
  if (status.ok()) return;
  // The job goes on in memory; its picture may have to be made again after a crash.
  LogError("cannot " + what, {{"job", job_id}, {"error", std::string(status.message())}});
}

void GenerationService::OnTick() {
  const absl::Time now = Now();
  CarryOut(dispatcher_.OnTick(Present()));
  metrics_.Describe(dispatcher_, options_.max_queue);
  metrics_.watchers.Set(static_cast<double>(feeds_.watchers()));
  metrics_.previews_dropped.Increment(static_cast<double>(feeds_.TakeDroppedPreviews()));
  if (now < next_purge_) return;
  next_purge_ = now + kPurgeInterval;
  feeds_.Purge(now - kFeedKeep);
  Persist(store_.Purge(now - options_.keep).status(), "purge ended jobs", "");
}

std::string GenerationService::NewJobId() {
  // Not to be guessed: whoever knows an id of their tenant's can watch the job.
  char bytes[12];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) {
    for (char& byte : bytes) byte = static_cast<char>(absl::Uniform<uint8_t>(random_));
  }
  return absl::StrCat("job-", absl::BytesToHexString({bytes, sizeof bytes}));
}

}  // namespace mind::server
