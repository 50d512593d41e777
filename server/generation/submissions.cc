#include "server/generation/submissions.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/generation/public_job.h"
#include "server/generation/request_key.h"

namespace mind::server {
namespace {

// When to come again where a job of the tenant's must end first.
constexpr absl::Duration kSoon = absl::Seconds(5);

// Whether a call that leaves now does so because its time is up. Its end of the line cuts it off a little
// before ours: by the time a request travels, and by the rounding of gRPC's timeouts.
bool TimeIsUp(const CallTimes& call, absl::Time now) {
  if (call.deadline == absl::InfiniteFuture()) return false;
  const absl::Duration slack = absl::Milliseconds(500) + (call.deadline - call.started) * 0.02;
  return now + slack >= call.deadline;
}

// What it brings.
uint64_t BytesOf(const Submission& submission) {
  uint64_t bytes = submission.request.ByteSizeLong();
  for (const SourcePicture& picture : submission.pictures) bytes += picture.blob.data->size();
  return bytes;
}

// What a request takes of its tenant's share while it is asked about, by a name that is no job's.
std::string ShareName(uint64_t number) {
  return absl::StrCat("moderated/", number);
}

bool SaysWhenItMustBeDone(const v1::JobRequest& request) {
  return request.has_deadline() || request.has_ttl();
}

// Whether a job ended because its calls were cut off or left, and not for a reason of its own: then the same
// request means a new one.
bool EndedWithItsCalls(const StoredJob& stored, const v1::JobRequest& request) {
  if (!stored.job.has_error()) return false;
  const auto info = GetErrorInfo(FromProto(stored.job.error()));
  if (!info) return false;
  if (info->reason() == "CALLER_GONE") return true;
  // Of a tied job whose request gives no deadline, this was the call's.
  return info->reason() == "DEADLINE_EXCEEDED" && stored.tied && !SaysWhenItMustBeDone(request);
}

}  // namespace

void Submissions::Submit(Submission submission, const Caller& caller, const std::optional<CallTimes>& tied_to,
                         Answer answer) {
  const auto asked = std::make_shared<Asked>();
  const std::string& request_id = submission.request.request_id();
  asked->key = {.tenant = caller.tenant, .request_id = request_id, .fingerprint = submission.fingerprint};
  asked->submission = std::move(submission);
  asked->caller = caller;
  asked->allowed = state_.options.moderator == nullptr;
  asked->trace = state_.traces.Begin(caller, state_.Now());
  asked->tied_to = tied_to;
  asked->answer = std::move(answer);
  if (const absl::Status bad = CheckRequestId(asked->key.request_id); !bad.ok()) return Finish(asked, bad);
  if (asked->key.request_id.empty()) return Accept(asked);
  std::deque<AskedPtr>& turns = turns_[{asked->key.tenant, asked->key.request_id}];
  turns.push_back(asked);
  if (turns.size() == 1) LookUp(asked);
}

// --- Requests that came before.

void Submissions::LookUp(const AskedPtr& asked) {
  state_.store.FindRequest(asked->key.tenant, asked->key.request_id,
                           state_.OnLoop<std::optional<EarlierRequest>>(
                               [this, asked](const absl::StatusOr<std::optional<EarlierRequest>>& earlier) {
                                 OnLookedUp(asked, earlier);
                               }));
}

void Submissions::OnLookedUp(const AskedPtr& asked,
                             const absl::StatusOr<std::optional<EarlierRequest>>& earlier) {
  if (!earlier.ok()) return Finish(asked, earlier.status());
  if (!earlier->has_value()) return Accept(asked);
  const StoredJob& stored = (*earlier)->stored;
  const std::string& id = stored.job.id();
  if ((*earlier)->fingerprint != asked->key.fingerprint) {
    return Finish(asked, MakeError(absl::StatusCode::kAlreadyExists,
                                   absl::StrCat("request_id \"", asked->key.request_id,
                                                "\" was used with another request"),
                                   "REQUEST_ID_REUSED", {{"requestId", asked->key.request_id}, {"job", id}}));
  }
  if (state_.ledger.FindEnding(id) != nullptr) {
    // Whether it ended for good is known when that is written.
    return state_.ledger.Answer([this, asked](const absl::Status& written) {
      written.ok() ? LookUp(asked) : Finish(asked, written);
    });
  }
  if (EndedWithItsCalls(stored, asked->submission.request) || state_.ledger.IsForgotten(id)) {
    asked->key.replaces = id;
    return Accept(asked);
  }
  // It has ended since that was read.
  if (!stored.job.has_end_time() && state_.dispatcher.Find(id) == nullptr) return LookUp(asked);
  GiveEarlier(asked, **earlier);
}

void Submissions::GiveEarlier(const AskedPtr& asked, const EarlierRequest& earlier) {
  const v1::Job* const active = state_.dispatcher.Find(earlier.stored.job.id());
  v1::Job job = PublicJob(active != nullptr ? *active : earlier.stored.job);
  if (asked->tied_to) {
    state_.ties.Hold(job.id(), asked->tied_to->front, FrontMustWatchBy(*asked->tied_to));
  } else if (state_.ties.IsTied(job.id())) {
    state_.ledger.Write(UntieJob{job.id()});
    state_.ties.Untie(job.id());
    return state_.ledger.Answer([this, asked, job = std::move(job)](const absl::Status& written) {
      Finish(asked, written.ok() ? absl::StatusOr<v1::Job>(job) : written);
    });
  }
  Finish(asked, std::move(job));
}

absl::Time Submissions::FrontMustWatchBy(const CallTimes& call) const {
  return call.front.empty() ? absl::InfiniteFuture() : state_.Now() + state_.options.front_patience;
}

// --- New ones.

absl::Status Submissions::Admit(const std::string& model, int priority, const std::string& tenant) const {
  if (!admitting_) {
    return WithRetry(MakeError(absl::StatusCode::kUnavailable, "the server is going down", "SHUTTING_DOWN"),
                     absl::Seconds(2));
  }
  if (!state_.ledger.reliable()) return state_.ledger.Unavailable();
  if (absl::Status full = state_.disk.Check(); !full.ok()) return full;
  const Dispatcher& dispatcher = state_.dispatcher;
  const size_t max_queue = state_.options.max_queue;
  const absl::Duration wait =
      dispatcher.EstimatedWait(model, priority, tenant).value_or(absl::ZeroDuration());
  const JobQueue::Sum waiting = dispatcher.queue().Of(model);
  // About when one of those that wait for the model will have gone.
  const absl::Duration retry = std::clamp(
      absl::Seconds(waiting.cost_seconds / static_cast<double>(std::max<int64_t>(waiting.jobs, 1)) /
                    static_cast<double>(std::max<int64_t>(dispatcher.fleet().Able(model), 1))),
      absl::Seconds(1), absl::Minutes(1));
  if (dispatcher.queued_jobs() + moderated_.size() >= max_queue) {
    return WithRetry(MakeError(absl::StatusCode::kResourceExhausted,
                               absl::StrCat("the queue is full: ", max_queue, " jobs wait"), "QUEUE_FULL",
                               {{"queueCapacity", absl::StrCat(max_queue)}}),
                     retry);
  }
  // Work that nobody is there to do must not keep out work that somebody is.
  if (dispatcher.workers() > 0 && !state_.catalog.IsServed(model) &&
      waiting.jobs * 2 >= static_cast<int64_t>(max_queue)) {
    return WithRetry(MakeError(absl::StatusCode::kResourceExhausted,
                               absl::StrCat("no connected worker serves the model \"", model,
                                            "\", and jobs for it fill half of the queue already"),
                               "QUEUE_FULL", {{"queueCapacity", absl::StrCat(max_queue)}, {"model", model}}),
                     absl::Minutes(1));
  }
  if (wait > state_.options.max_wait) {
    return WithRetry(
        MakeError(absl::StatusCode::kResourceExhausted,
                  absl::StrCat("the job would wait about ",
                               absl::FormatDuration(absl::Trunc(wait, absl::Seconds(1))), ", longer than ",
                               absl::FormatDuration(state_.options.max_wait)),
                  "WAIT_TOO_LONG", {{"estimatedWaitMs", absl::StrCat(absl::ToInt64Milliseconds(wait))}}),
        std::max(retry, wait - state_.options.max_wait));
  }
  return absl::OkStatus();
}

absl::StatusOr<Submissions::Made> Submissions::MakeJob(const Asked& asked) {
  const absl::Time now = state_.Now();
  const v1::JobRequest& request = asked.submission.request;
  if (absl::Status status = CheckPictures(asked.submission.pictures, state_.options.limits); !status.ok()) {
    return status;
  }
  absl::StatusOr<ValidatedJob> valid =
      Validate(request, asked.caller, state_.catalog.models(), state_.options.limits,
               absl::Uniform<uint32_t>(random_), now, state_.catalog.Meant(request.spec(), now));
  if (!valid.ok()) return valid.status();
  if (absl::Status status = Admit(valid->spec.model(), valid->priority, valid->tenant); !status.ok()) {
    return status;
  }
  Made made{.rows = valid->rows,
            .reference_megapixels = valid->reference_megapixels,
            .limits = state_.options.limits_of(valid->tenant)};
  const Price& price = state_.dispatcher.queue().PriceOf(valid->spec.model());
  made.charge = {.tenant = valid->tenant,
                 .bytes = BytesOf(asked.submission),
                 .worker_seconds = valid->rows * price.OfRow(valid->megapixels())};
  if (absl::Status over = state_.quotas.Check(made.charge, made.limits, kSoon, state_.options.steady_clock());
      !over.ok()) {
    return over;
  }
  if (asked.tied_to && !SaysWhenItMustBeDone(request)) valid->deadline = asked.tied_to->deadline;
  v1::Job& job = made.job;
  job.set_id(state_.options.new_job_id());
  job.set_steps_total((valid->spec.steps() + valid->later_steps) * valid->spec.image_count());
  *job.mutable_spec() = std::move(valid->spec);
  job.set_priority(valid->priority);
  if (valid->highest_priority != v1::PRIORITY_HIGH) job.set_highest_priority(valid->highest_priority);
  *job.mutable_labels() = request.labels();
  job.set_webhook_url(request.webhook_url());
  job.set_tenant(valid->tenant);
  job.set_traceparent(asked.trace.Carried());
  job.set_tracestate(asked.trace.State());
  job.set_key_id(asked.caller.key_id);
  job.set_worker_seconds(made.charge.worker_seconds);
  job.set_state(v1::JOB_STATE_QUEUED);
  *job.mutable_create_time() = ToTimestamp(now);
  if (valid->deadline != absl::InfiniteFuture()) *job.mutable_deadline() = ToTimestamp(valid->deadline);
  return made;
}

absl::StatusOr<v1::CreateJobResponse> Submissions::Check(Submission submission, const Caller& caller) {
  const std::string& request_id = submission.request.request_id();
  if (absl::Status bad = CheckRequestId(request_id); !bad.ok()) return bad;
  absl::StatusOr<Made> made = MakeJob({.submission = std::move(submission), .caller = caller});
  if (!made.ok()) return made.status();
  v1::Job& job = made->job;
  job.clear_id();
  const std::string& model = job.spec().model();
  v1::CreateJobResponse response;
  v1::JobEstimate& estimate = *response.mutable_estimate();
  estimate.set_evaluations(made->rows);
  estimate.set_queued_jobs(static_cast<uint32_t>(state_.dispatcher.queued_jobs()));
  if (const auto wait = state_.dispatcher.EstimatedWait(model, job.priority(), job.tenant())) {
    *estimate.mutable_estimated_wait() = ToDuration(*wait);
  }
  if (state_.dispatcher.FindPrice(model) != nullptr)
    *estimate.mutable_estimated_run() = ToDuration(absl::Seconds(made->charge.worker_seconds));
  *response.mutable_job() = PublicJob(std::move(job));
  return response;
}

void Submissions::Accept(const AskedPtr& asked) {
  const absl::StatusOr<Made> made = MakeJob(*asked);
  if (!made.ok()) return Finish(asked, made.status());
  if (!asked->allowed) return Moderate(asked, *made);
  const v1::Job* const job = &made->job;
  state_.quotas.Begin(job->id(), made->charge, made->limits, state_.options.steady_clock());
  InsertJob insert{.job = *job, .key = asked->key, .tied = asked->tied_to.has_value(), .pictures = {}};
  for (const SourcePicture& picture : asked->submission.pictures) insert.pictures.push_back(picture.blob);
  state_.ledger.Write(std::move(insert));
  if (asked->tied_to) {
    state_.ties.Tie(job->id(), asked->tied_to->front, FrontMustWatchBy(*asked->tied_to));
  }
  LogInfo("job accepted", {{"job", job->id()},
                           {"trace", asked->trace.TraceId()},
                           {"tenant", job->tenant()},
                           {"model", job->spec().model()},
                           {"steps", job->spec().steps()},
                           {"images", job->spec().image_count()}});
  const Actions actions =
      state_.dispatcher.OnSubmit(*job, made->rows, {}, state_.Present(), made->reference_megapixels);
  state_.EnsureFeed(*job);
  decisions_.CarryOut(actions);
  state_.ledger.Answer([this, asked, job = PublicJob(*job),
                        seconds = made->charge.worker_seconds](const absl::Status& written) {
    if (!written.ok()) Withdraw(job.id(), written);
    if (written.ok()) {
      state_.Record("job_accepted", job, {{"images", job.spec().image_count()}, {"worker_seconds", seconds}},
                    asked->caller.key_id);
    }
    Finish(asked, written.ok() ? absl::StatusOr<v1::Job>(job) : written);
  });
}

// --- What is allowed.

void Submissions::Moderate(const AskedPtr& asked, const Made& made) {
  const uint64_t number = ++last_moderated_;
  moderated_[number] = asked;
  state_.quotas.Begin(ShareName(number), made.charge, made.limits, state_.options.steady_clock());
  const auto question = std::make_shared<v1::CheckPromptRequest>();
  question->set_tenant(asked->caller.tenant);
  question->set_key_id(asked->caller.key_id);
  *question->mutable_spec() = PublicJob(made.job).spec();
  state_.options.moderator->CheckPrompt(
      question, {asked->trace.Carried(), asked->trace.State()},
      [this, post = state_.options.post, number](const absl::Status& verdict) {
        post([this, number, verdict] { OnModerated(number, verdict); });
      });
}

void Submissions::OnModerated(uint64_t number, const absl::Status& verdict) {
  const auto waited = moderated_.extract(number);
  if (waited.empty()) return;
  state_.quotas.End(ShareName(number), 0);
  const AskedPtr& asked = waited.mapped();
  if (!verdict.ok()) {
    state_.RecordBlocked(asked->caller, asked->submission.request.spec(), asked->trace.Carried(), verdict);
    return Finish(asked, verdict);
  }
  asked->allowed = true;
  // Meanwhile it may have become too much, or its model may have gone.
  Accept(asked);
}

void Submissions::Dismiss(const absl::Status& status) {
  for (const auto& [number, asked] : std::exchange(moderated_, {})) {
    state_.quotas.End(ShareName(number), 0);
    Finish(asked, status);
  }
}

void Submissions::Withdraw(const std::string& id, const absl::Status& why) {
  state_.ledger.Forget(id);
  decisions_.CarryOut(state_.dispatcher.OnCancel(id, why, state_.Present()));
}

void Submissions::Finish(const AskedPtr& asked, absl::StatusOr<v1::Job> job) {
  if (job.ok()) {
    state_.traces.Answered(asked->trace, *job, state_.Now());
  } else {
    const auto info = GetErrorInfo(job.status());
    state_.metrics.rejections[info ? info->reason() : "INTERNAL"].Increment();
    state_.traces.Refused(asked->trace, job.status(), state_.Now());
    job = WithTraceId(job.status(), asked->trace.TraceId());
  }
  asked->answer(std::move(job));
  const auto turns = turns_.find({asked->key.tenant, asked->key.request_id});
  if (turns == turns_.end() || turns->second.front() != asked) return;
  turns->second.pop_front();
  if (!turns->second.empty()) return LookUp(turns->second.front());
  turns_.erase(turns);
}

// --- Calls that leave.

void Submissions::Leave(const std::string& id, const CallTimes& call) {
  if (!state_.ties.Leave(id, call.front) || deaf_) return;
  const absl::Status reason = TimeIsUp(call, state_.Now()) ? MakeError(absl::StatusCode::kDeadlineExceeded,
                                                                       "the time of the call was up",
                                                                       "DEADLINE_EXCEEDED", {{"job", id}})
                                                           : CallerGone(id);
  decisions_.CarryOut(state_.dispatcher.OnCancel(id, reason, state_.Present()));
}

}  // namespace mind::server
