#include "server/generation/service.h"

#include <sys/random.h>

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/generation/outcome.h"
#include "server/generation/public_job.h"
#include "server/generation/request_key.h"

namespace mind::server {
namespace {

constexpr absl::Duration kPurgeInterval = absl::Minutes(1);
constexpr absl::Duration kRetryStore = absl::Seconds(5);
constexpr uint32_t kDefaultPage = 50, kMaxPage = 1000;
// What a page token begins with; the number of the page's last job follows.
constexpr char kTokenVersion[] = "1.";

absl::Status UnknownJob(const std::string& id) {
  return NotFound("job", Printable(id), absl::StrCat("no job has the id \"", Printable(id), "\""));
}

absl::Status CallerGone(const std::string& id) {
  return MakeError(absl::StatusCode::kCancelled, "the caller has gone", "CALLER_GONE", {{"job", id}});
}

// Whether a call that leaves now does so because its time is up. Its end of the line cuts it off a little
// before ours: by the time a request travels, and by the rounding of gRPC's timeouts.
bool TimeIsUp(const CallTimes& call, absl::Time now) {
  if (call.deadline == absl::InfiniteFuture()) return false;
  const absl::Duration slack = absl::Milliseconds(500) + (call.deadline - call.started) * 0.02;
  return now + slack >= call.deadline;
}

// Whether a job ended because its calls were cut off or left, and not for a reason of its own: then the same
// request means a new one.
bool EndedWithItsCalls(const StoredJob& stored, const v1::JobRequest& request) {
  if (!stored.job.has_error()) return false;
  const auto info = GetErrorInfo(FromProto(stored.job.error()));
  if (!info) return false;
  if (info->reason() == "CALLER_GONE") return true;
  // Of a tied job whose request gives no deadline, this was the call's.
  return info->reason() == "DEADLINE_EXCEEDED" && stored.tied && !request.has_deadline();
}

std::string PageToken(uint64_t number) {
  return absl::WebSafeBase64Escape(absl::StrCat(kTokenVersion, number));
}

// Empty: not one of ours.
std::optional<uint64_t> NumberOf(const std::string& token) {
  std::string text;
  absl::string_view number;
  uint64_t value = 0;
  if (!absl::WebSafeBase64Unescape(token, &text)) return std::nullopt;
  number = text;
  if (!absl::ConsumePrefix(&number, kTokenVersion) || !absl::SimpleAtoi(number, &value)) return std::nullopt;
  return value;
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

}  // namespace

GenerationService::GenerationService(const Options& options, JobStore& store, ServerMetrics& metrics)
    : options_(options),
      store_(store),
      metrics_(metrics),
      dispatcher_(options.dispatcher),
      events_(store, metrics),
      ledger_(store),
      catalog_(options.model_memory) {}

absl::Status GenerationService::Recover() {
  absl::StatusOr<std::vector<v1::Model>> models = store_.Models();
  if (!models.ok()) return models.status();
  for (v1::Model& model : *models) catalog_.Remember(std::move(model), Now());
  absl::StatusOr<std::vector<StoredJob>> jobs = store_.Unfinished();
  if (!jobs.ok()) return jobs.status();
  for (StoredJob& stored : *jobs) {
    v1::Job& job = stored.job;
    const auto images = store_.Images(job.id());
    if (!images.ok()) return images.status();
    std::set<uint32_t> done;
    for (const JobStore::ImageMark& image : *images) done.insert(image.index);
    job.set_state(v1::JOB_STATE_QUEUED);
    const auto model = catalog_.models().find(job.spec().model());
    const double rows = CostInRows(job.spec(), model == catalog_.models().end() ? nullptr : &model->second);
    if (stored.tied) ties_.Orphan(job.id(), Now() + options_.orphan_patience);
    const Actions actions = dispatcher_.OnSubmit(job, rows, done, Present());
    const bool waits = dispatcher_.Find(job.id()) != nullptr;
    const absl::Status restored =
        events_.Restore(stored, waits ? std::optional(QueuedEvent(job)) : std::nullopt);
    if (!restored.ok()) return restored;
    CarryOut(actions);
  }
  if (!jobs->empty()) LogInfo("took up jobs of an earlier run", {{"jobs", jobs->size()}});
  return absl::OkStatus();
}

// --- Clients.

absl::Status GenerationService::Admit(const std::string& model, int priority) const {
  if (!admitting_) {
    return WithRetry(MakeError(absl::StatusCode::kUnavailable, "the server is going down", "SHUTTING_DOWN"),
                     absl::Seconds(2));
  }
  if (!ledger_.reliable()) return StoreUnavailable();
  const absl::Duration wait = dispatcher_.EstimatedWait(model, priority).value_or(absl::ZeroDuration());
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
  // Work that nobody is there to do must not keep out work that somebody is.
  if (dispatcher_.workers() > 0 && !catalog_.IsServed(model) &&
      dispatcher_.queue().Of(model).jobs * 2 >= static_cast<int64_t>(options_.max_queue)) {
    return WithRetry(
        MakeError(absl::StatusCode::kResourceExhausted,
                  absl::StrCat("no connected worker serves the model \"", model,
                               "\", and jobs for it fill half of the queue already"),
                  "QUEUE_FULL", {{"queueCapacity", absl::StrCat(options_.max_queue)}, {"model", model}}),
        absl::Minutes(1));
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

absl::StatusOr<std::optional<v1::Job>> GenerationService::FindEarlier(const v1::JobRequest& request,
                                                                      const Caller& caller, bool tied,
                                                                      RequestKey& key) {
  if (absl::Status status = CheckRequestId(request.request_id()); !status.ok()) return status;
  key.tenant = caller.tenant;
  key.request_id = request.request_id();
  if (key.request_id.empty()) return std::nullopt;
  key.fingerprint = Fingerprint(request);
  const auto earlier = store_.FindRequest(key.tenant, key.request_id);
  if (!earlier.ok()) return earlier.status();
  if (!earlier->has_value()) return std::nullopt;
  const std::string& id = (*earlier)->job_id;
  if ((*earlier)->fingerprint != key.fingerprint) {
    return MakeError(absl::StatusCode::kAlreadyExists,
                     absl::StrCat("request_id \"", key.request_id, "\" was used with another request"),
                     "REQUEST_ID_REUSED", {{"requestId", key.request_id}, {"job", id}});
  }
  if (ledger_.FindEnding(id) != nullptr) return StoreUnavailable();
  absl::StatusOr<StoredJob> found = FindAny(id, caller);
  if (!found.ok()) return found.status();
  if (EndedWithItsCalls(*found, request)) {
    key.replaces = id;
    return std::nullopt;
  }
  if (tied) {
    ties_.Hold(id);
  } else if (ties_.IsTied(id)) {
    if (absl::Status status = ledger_.Note(store_.Untie(id)); !status.ok()) return status;
    ties_.Untie(id);
  }
  return std::move(found->job);
}

absl::StatusOr<v1::Job> GenerationService::Accept(const v1::JobRequest& request, const Caller& caller,
                                                  const CallTimes* call) {
  const auto refuse = [this](absl::Status status) {
    const auto info = GetErrorInfo(status);
    metrics_.rejections[info ? info->reason() : "INTERNAL"].Increment();
    return status;
  };
  RequestKey key;
  absl::StatusOr<std::optional<v1::Job>> earlier = FindEarlier(request, caller, call != nullptr, key);
  if (!earlier.ok()) return refuse(earlier.status());
  if (earlier->has_value()) return **std::move(earlier);

  const absl::Time now = Now();
  absl::StatusOr<ValidatedJob> valid =
      Validate(request, caller, catalog_.models(), options_.limits, absl::Uniform<uint32_t>(random_), now,
               catalog_.Meant(request.spec(), now));
  if (!valid.ok()) return refuse(valid.status());
  if (absl::Status status = Admit(valid->spec.model(), valid->priority); !status.ok()) return refuse(status);

  if (call != nullptr && !request.has_deadline()) valid->deadline = call->deadline;
  v1::Job job;
  job.set_id(NewJobId());
  *job.mutable_spec() = valid->spec;
  job.set_priority(valid->priority);
  job.set_tenant(valid->tenant);
  job.set_state(v1::JOB_STATE_QUEUED);
  *job.mutable_create_time() = ToTimestamp(now);
  if (valid->deadline != absl::InfiniteFuture()) *job.mutable_deadline() = ToTimestamp(valid->deadline);
  job.set_steps_total((valid->spec.steps() + valid->later_steps) * valid->spec.image_count());
  const absl::Status stored = ledger_.Note(store_.Insert(job, key, call != nullptr));
  if (!stored.ok()) return refuse(stored);
  if (call != nullptr) ties_.Tie(job.id());

  LogInfo("job accepted", {{"job", job.id()},
                           {"tenant", job.tenant()},
                           {"model", job.spec().model()},
                           {"steps", job.spec().steps()},
                           {"images", job.spec().image_count()}});
  const Actions actions = dispatcher_.OnSubmit(job, valid->rows, {}, Present());
  events_.Publish(job.id(), QueuedEvent(job));
  CarryOut(actions);
  return PublicJob(job);
}

void GenerationService::Leave(const std::string& id, const CallTimes& call) {
  if (!ties_.Leave(id) || closed_) return;
  const absl::Status reason =
      TimeIsUp(call, Now()) ? MakeError(absl::StatusCode::kDeadlineExceeded, "the time of the call was up",
                                        "DEADLINE_EXCEEDED", {{"job", id}})
                            : CallerGone(id);
  CarryOut(dispatcher_.OnCancel(id, reason, Present()));
}

absl::StatusOr<StoredJob> GenerationService::FindAny(const std::string& id, const Caller& caller) {
  StoredJob found;
  const v1::Job* job = dispatcher_.Find(id);
  if (job == nullptr) job = ledger_.FindEnding(id);
  if (job == nullptr) {
    if (!IsValidUtf8(id)) return UnknownJob(id);
    absl::StatusOr<std::optional<StoredJob>> stored = store_.Find(id);
    if (!stored.ok()) return stored.status();
    if (!stored->has_value()) return UnknownJob(id);
    found = **std::move(stored);
    job = &found.job;
  }
  // Another tenant's job does not exist for this one.
  if (job->tenant() != caller.tenant) return UnknownJob(id);
  found.job = PublicJob(*job);
  return found;
}

absl::StatusOr<v1::Job> GenerationService::Get(const std::string& id, const Caller& caller) {
  absl::StatusOr<StoredJob> found = FindAny(id, caller);
  if (!found.ok()) return found.status();
  return std::move(found->job);
}

absl::StatusOr<v1::ListJobsResponse> GenerationService::List(const v1::ListJobsRequest& request,
                                                             const Caller& caller) {
  if (request.page_size() > kMaxPage) {
    return InvalidField("page_size", absl::StrCat(request.page_size(), " given; it must be 0 to ", kMaxPage));
  }
  if (!v1::JobState_IsValid(request.state())) {
    return InvalidField("state", absl::StrCat(static_cast<int>(request.state()), " is not a JobState"));
  }
  const std::optional<uint64_t> after =
      request.page_token().empty() ? std::numeric_limits<uint64_t>::max() : NumberOf(request.page_token());
  if (!after) return InvalidField("page_token", "not a token this server has given out");

  // What the store has of a job that has not ended may be older than the job: those are looked at one by one.
  const v1::JobState wanted = request.state();
  std::vector<v1::JobState> states;
  if (wanted == v1::JOB_STATE_QUEUED || wanted == v1::JOB_STATE_RUNNING) {
    states = {v1::JOB_STATE_QUEUED, v1::JOB_STATE_RUNNING};
  } else if (wanted != v1::JOB_STATE_UNSPECIFIED) {
    states = {wanted};
  }
  const int size = static_cast<int>(request.page_size() == 0 ? kDefaultPage : request.page_size());
  v1::ListJobsResponse response;
  uint64_t before = *after;
  for (;;) {
    absl::StatusOr<std::vector<StoredJob>> jobs = store_.List(caller.tenant, states, before, size + 1);
    if (!jobs.ok()) return jobs.status();
    for (const StoredJob& stored : *jobs) {
      const v1::Job* job = dispatcher_.Find(stored.job.id());
      if (job == nullptr) job = ledger_.FindEnding(stored.job.id());
      if (job == nullptr) job = &stored.job;
      const bool shown = wanted == v1::JOB_STATE_UNSPECIFIED || job->state() == wanted;
      if (shown && response.jobs_size() == size) {  // one too many: there is another page
        response.set_next_page_token(PageToken(before));
        return response;
      }
      if (shown) *response.add_jobs() = PublicJob(*job);
      before = stored.number;
    }
    if (static_cast<int>(jobs->size()) <= size) return response;
  }
}

absl::StatusOr<v1::Job> GenerationService::Cancel(const std::string& id, const Caller& caller,
                                                  const absl::Status& reason) {
  if (ledger_.FindEnding(id) != nullptr) RetryWrites();
  absl::StatusOr<StoredJob> found = FindAny(id, caller);
  if (!found.ok()) return found.status();
  if (dispatcher_.Find(id) != nullptr) {
    CarryOut(dispatcher_.OnCancel(id, reason, Present()));
    found = FindAny(id, caller);
    if (!found.ok()) return found.status();
  }
  // It has stopped, but that is not on the disk yet: after a crash it would go on.
  if (ledger_.FindEnding(id) != nullptr) return StoreUnavailable();
  const v1::Job& job = found->job;
  if (job.state() == v1::JOB_STATE_CANCELLED) return job;
  return MakeError(absl::StatusCode::kFailedPrecondition,
                   absl::StrCat("the job has already ended: ", OutcomeName(job.state())), "JOB_ENDED",
                   {{"state", OutcomeName(job.state())}});
}

absl::StatusOr<WatchId> GenerationService::Watch(const std::string& id, uint64_t after_sequence,
                                                 const Caller& caller, const std::function<void()>& on_news) {
  const absl::StatusOr<StoredJob> found = FindAny(id, caller);
  if (!found.ok()) return found.status();
  if (!events_.Has(id)) {
    if (absl::Status status = events_.Restore(*found, std::nullopt); !status.ok()) return status;
  }
  ties_.Adopt(id);
  return events_.Watch(id, after_sequence, on_news);
}

v1::ListModelsResponse GenerationService::ListModels() const {
  v1::ListModelsResponse response;
  for (const auto& [name, model] : catalog_.models()) *response.add_models() = Summary(model);
  return response;
}

absl::StatusOr<v1::Model> GenerationService::GetModel(const std::string& name) const {
  const absl::StatusOr<const v1::Model*> model =
      FindModel("name", name, catalog_.models(), catalog_.Meant({}, Now()));
  if (!model.ok()) return model.status();
  return Summary(**model);
}

absl::StatusOr<v1::ListSamplersResponse> GenerationService::ListSamplers(const std::string& name) const {
  const absl::StatusOr<const v1::Model*> model =
      FindModel("model", name, catalog_.models(), catalog_.Meant({}, Now()));
  if (!model.ok()) return model.status();
  v1::ListSamplersResponse response;
  *response.mutable_samplers() = (*model)->samplers();
  response.set_default_sampler((*model)->default_sampler());
  return response;
}

v1::ListWorkersResponse GenerationService::ListWorkers() const {
  v1::ListWorkersResponse response;
  for (const auto& [name, connected] : dispatcher_.Workers()) {
    v1::Worker* const worker = response.add_workers();
    worker->set_name(name);
    worker->set_device(connected.registration().device());
    for (const v1::Model& model : connected.registration().models()) worker->add_models(model.name());
    *worker->mutable_loaded_models() = connected.capacity().loaded_models();
    worker->set_running_images(static_cast<uint32_t>(connected.running().size()));
    worker->set_max_images(connected.capacity().max_images());
    worker->set_state(connected.state());
    *worker->mutable_connect_time() = ToTimestamp(connected.connected());
  }
  return response;
}

v1::JobEvent GenerationService::QueuedEvent(const v1::Job& job) const {
  v1::JobEvent event;
  *event.mutable_queued()->mutable_job() = PublicJob(job);
  if (dispatcher_.queue().Contains(job.id())) {
    event.mutable_queued()->set_position(static_cast<uint32_t>(dispatcher_.queue().AheadOf(job.id())));
    if (const auto wait = dispatcher_.EstimatedWaitOf(job.id())) {
      *event.mutable_queued()->mutable_estimated_wait() = ToDuration(*wait);
    }
  }
  return event;
}

// --- The process.

absl::Status GenerationService::StoreUnavailable() const {
  return WithRetry(
      MakeError(absl::StatusCode::kUnavailable,
                absl::StrCat("the server cannot write to its disk: ", ledger_.failure().message()),
                "STORE_UNAVAILABLE"),
      kRetryStore);
}

void GenerationService::RetryWrites() {
  ledger_.Retry([this](const std::string& id) { return dispatcher_.Find(id); }, Now());
}

void GenerationService::OnServingChange(std::function<void(bool)> tell) {
  tell_serving_ = std::move(tell);
  told_serving_ = !serving();
  TellServing();
}

void GenerationService::TellServing() {
  // What is made while nothing can be written would be made again.
  dispatcher_.SetPlacing(serving());
  if (serving() == told_serving_) return;
  told_serving_ = serving();
  if (tell_serving_) tell_serving_(told_serving_);
}

void GenerationService::StopAdmitting() {
  admitting_ = false;
  TellServing();
}

void GenerationService::CloseWatches() {
  closed_ = true;
  events_.Close(
      WithRetry(MakeError(absl::StatusCode::kUnavailable, "the server is going down", "SHUTTING_DOWN"),
                absl::Seconds(2)));
}

void GenerationService::OnTick() {
  const absl::Time now = Now();
  RetryWrites();
  TellServing();
  for (const std::string& id : ties_.TakeAbandoned(now)) {
    CarryOut(dispatcher_.OnCancel(id, CallerGone(id), Present()));
  }
  CarryOut(dispatcher_.OnTick(Present()));
  metrics_.Describe(dispatcher_, options_.max_queue);
  metrics_.store_failing.Set(ledger_.reliable() ? 0 : 1);
  events_.TakeMetrics();
  if (now < next_purge_) return;
  next_purge_ = now + kPurgeInterval;
  events_.Purge(now);
  // Nothing to forget is nothing written: only a failure says something about the store.
  const absl::Status purged = store_.Purge(now - options_.keep).status();
  if (!purged.ok()) ledger_.Note(purged).IgnoreError();
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
