#include "server/cluster/leader_client.h"

#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/time.h"
#include "server/generation/finished_image.h"
#include "server/generation/job_pages.h"
#include "server/generation/model_summary.h"
#include "server/generation/public_job.h"
#include "server/generation/service_state.h"
#include "server/generation/usage.h"

namespace mind::server {
namespace {

constexpr absl::Duration kStreamPause = absl::Milliseconds(100);  // between two streams of a job
constexpr absl::Duration kPurgeInterval = absl::Minutes(1);

internal::v1::Call CallToProto(const CallTimes& call, const std::string& front) {
  internal::v1::Call proto;
  *proto.mutable_started() = ToTimestamp(call.started);
  if (call.deadline != absl::InfiniteFuture()) *proto.mutable_deadline() = ToTimestamp(call.deadline);
  proto.set_front(front);
  return proto;
}

bool IsEnd(v1::JobState state) {
  return state == v1::JOB_STATE_SUCCEEDED || state == v1::JOB_STATE_FAILED ||
         state == v1::JOB_STATE_CANCELLED;
}

// So that the request may be sent again.
std::string NewRequestId() {
  absl::BitGen random;
  return absl::StrFormat("f-%016x%016x", absl::Uniform<uint64_t>(random), absl::Uniform<uint64_t>(random));
}

// As it came. Takes time in proportion to its pictures.
v1::JobRequest Whole(Submission submission) {
  v1::JobRequest request = std::move(submission.request);
  PictureBytes pictures;
  for (const SourcePicture& picture : submission.pictures) pictures[picture.blob.hash] = *picture.blob.data;
  PutPictures(std::move(pictures), *request.mutable_spec());  // it brings what it names
  return request;
}

// Takes that time too.
internal::v1::SubmitRequest Pack(Submission submission, const std::optional<internal::v1::Call>& tied_to) {
  internal::v1::SubmitRequest request;
  *request.mutable_job() = Whole(std::move(submission));
  if (request.job().request_id().empty()) request.mutable_job()->set_request_id(NewRequestId());
  if (tied_to) *request.mutable_tied_to() = *tied_to;
  return request;
}

template <typename Response>
Generation::Answer<Response> JobOf(Generation::Answer<v1::Job> answer) {
  return [answer = std::move(answer)](absl::StatusOr<Response> response) {
    response.ok() ? answer(std::move(*response->mutable_job())) : answer(response.status());
  };
}

}  // namespace

LeaderClient::LeaderClient(const Options& options, JobReader& store, ServerMetrics& metrics)
    : options_(options),
      store_(store),
      events_(store, 0, metrics, options.post),
      calls_({.patience = options.patience, .steady_clock = options.steady_clock, .post = options.post}),
      gate_(options.post) {
  gate_.Open();
}

void LeaderClient::Join() {
  calls_.Join();
  in_flight_.Wait();
}

// --- The leader.

void LeaderClient::PointTo(LeaderLinkPtr leader) {
  calls_.PointTo(std::move(leader));
  for (auto& [id, upstream] : upstreams_) {
    // The one before may hang without a word.
    if (upstream.stream != nullptr) std::exchange(upstream.stream, nullptr)->Stop();
    Connect(id, upstream);
  }
}

void LeaderClient::OnTick() {
  calls_.OnTick();
  const absl::Duration now = options_.steady_clock();
  for (const std::string& id : again_.TakeDue(now)) {
    const auto upstream = upstreams_.find(id);
    if (upstream != upstreams_.end() && upstream->second.stream == nullptr) Connect(id, upstream->second);
  }
  if (now < next_purge_) return;
  next_purge_ = now + kPurgeInterval;
  events_.Purge(options_.clock());
}

void LeaderClient::Close(const absl::Status& status) {
  closed_ = true;
  calls_.Close(status);
  for (auto& [id, upstream] : std::exchange(upstreams_, {})) {
    if (upstream.stream != nullptr) upstream.stream->Stop();
  }
  events_.Close(status);
}

// --- Jobs.

void LeaderClient::Submit(Submission submission, const Caller& caller,
                          const std::optional<CallTimes>& tied_to, Answer<v1::Job> answer) {
  using Response = internal::v1::SubmitResponse;
  std::optional<internal::v1::Call> call;
  if (tied_to) call = CallToProto(*tied_to, options_.front);
  const Answer<Response> then = [this, tied = tied_to.has_value(),
                                 answer = std::move(answer)](absl::StatusOr<Response> response) {
    if (!response.ok()) return answer(response.status());
    if (tied) ++tied_[response->job().id()];
    answer(std::move(*response->mutable_job()));
  };
  if (submission.pictures.empty()) {
    return calls_.Ask<Response>(
        caller, Pack(std::move(submission), call),
        [](const LeaderLink& leader, auto... with) { leader.cluster->async()->Submit(with...); }, then);
  }
  const auto whole = std::make_shared<Submission>(std::move(submission));
  packing_.Post([this, post = gate_.post(), whole, call, caller, then] {
    const auto request = std::make_shared<internal::v1::SubmitRequest>(Pack(std::move(*whole), call));
    post([this, request, caller, then] {
      calls_.Ask<Response>(
          caller, std::move(*request),
          [this](const LeaderLink& leader, auto... with) {
            packing_.Post([stub = leader.cluster->async(), with...] { stub->Submit(with...); });
          },
          then);
    });
  });
}

void LeaderClient::Leave(const std::string& id, const CallTimes& call) {
  const auto tied = tied_.find(id);
  if (tied != tied_.end() && --tied->second == 0) tied_.erase(tied);
  if (closed_) return;
  internal::v1::LeaveRequest request;
  request.set_id(id);
  *request.mutable_call() = CallToProto(call, options_.front);
  calls_.Ask<internal::v1::LeaveResponse>(
      Caller(), std::move(request),
      [](const LeaderLink& leader, auto... with) { leader.cluster->async()->Leave(with...); },
      [id](const absl::StatusOr<internal::v1::LeaveResponse>& left) {
        if (left.ok()) return;
        LogWarning("cannot tell the leader that a call has left its job",
                   {{"job", id}, {"error", std::string(left.status().message())}});
      });
}

void LeaderClient::Find(const std::string& id, const Caller& caller, Answer<StoredJob> answer) {
  if (!IsValidUtf8(id)) return answer(UnknownJob(id));
  store_.Find(caller.tenant, id,
              OnLoop<std::optional<StoredJob>>(
                  [id, answer = std::move(answer)](absl::StatusOr<std::optional<StoredJob>> found) {
                    if (!found.ok()) return answer(found.status());
                    if (!found->has_value()) return answer(UnknownJob(id));
                    answer(**std::move(found));
                  }));
}

void LeaderClient::Get(const std::string& id, const Caller& caller, Answer<v1::Job> answer) {
  Find(id, caller, [this, id, caller, answer = std::move(answer)](const absl::StatusOr<StoredJob>& found) {
    if (!found.ok()) return answer(found.status());
    if (found->job.has_end_time()) return answer(PublicJob(found->job));
    v1::GetJobRequest request;
    request.set_id(id);
    calls_.Ask<v1::GetJobResponse>(
        caller, std::move(request),
        [](const LeaderLink& leader, auto... with) { leader.generation->async()->GetJob(with...); },
        JobOf<v1::GetJobResponse>(answer));
  });
}

void LeaderClient::List(const v1::ListJobsRequest& request, const Caller& caller,
                        Answer<v1::ListJobsResponse> answer) {
  // An end counts when it is in the store; what has not ended is known to the leader.
  if (IsEnd(request.state())) {
    return ListPage({.list =
                         [this](const JobQuery& query, StoreDone<std::vector<StoredJob>> done) {
                           store_.List(query, OnLoop<std::vector<StoredJob>>(std::move(done)));
                         }},
                    request, caller, std::move(answer));
  }
  calls_.Ask<v1::ListJobsResponse>(
      caller, request,
      [](const LeaderLink& leader, auto... with) { leader.generation->async()->ListJobs(with...); },
      std::move(answer));
}

void LeaderClient::Cancel(const std::string& id, const Caller& caller, const absl::Status&,
                          Answer<v1::Job> answer) {
  v1::CancelJobRequest request;
  request.set_id(id);
  calls_.Ask<v1::CancelJobResponse>(
      caller, std::move(request),
      [](const LeaderLink& leader, auto... with) { leader.generation->async()->CancelJob(with...); },
      JobOf<v1::CancelJobResponse>(std::move(answer)));
}

void LeaderClient::Delete(const std::string& id, const Caller& caller, const absl::Status&,
                          Answer<v1::Job> answer) {
  v1::DeleteJobRequest request;
  request.set_id(id);
  calls_.Ask<v1::DeleteJobResponse>(
      caller, std::move(request),
      [](const LeaderLink& leader, auto... with) { leader.generation->async()->DeleteJob(with...); },
      JobOf<v1::DeleteJobResponse>(std::move(answer)));
}

void LeaderClient::Check(Submission submission, const Caller& caller, Answer<v1::CreateJobResponse> answer) {
  const auto whole = std::make_shared<Submission>(std::move(submission));
  packing_.Post([this, post = gate_.post(), whole, caller, answer = std::move(answer)] {
    const auto request = std::make_shared<v1::CreateJobRequest>();
    *request->mutable_job() = Whole(std::move(*whole));
    request->set_validate_only(true);
    post([this, request, caller, answer] {
      calls_.Ask<v1::CreateJobResponse>(
          caller, std::move(*request),
          [](const LeaderLink& leader, auto... with) { leader.generation->async()->CreateJob(with...); },
          answer);
    });
  });
}

void LeaderClient::GetImage(const std::string& id, uint32_t index, const Caller& caller,
                            Answer<v1::GetImageResponse> answer) {
  Find(id, caller, [this, index, answer = std::move(answer)](const absl::StatusOr<StoredJob>& found) {
    if (!found.ok()) return answer(found.status());
    store_.FindImage(
        found->job.id(), index,
        [post = gate_.post(), job = found->job, index,
         answer](const absl::StatusOr<std::optional<StoredImage>>& image) {
          // Made where it was read: a sum over megabytes is not the loop's.
          post([answer, made = FinishedImage(job, index, image)]() mutable { answer(std::move(made)); });
        });
  });
}

// --- Watches.

void LeaderClient::Watch(const std::string& id, const WatchStart& start, const Caller& caller,
                         std::function<void()> on_news, Answer<WatchId> answer) {
  const auto upstream = upstreams_.find(id);
  if (upstream != upstreams_.end() && upstream->second.tenant == caller.tenant) {
    return answer(BeginWatch(id, start.after_sequence, std::move(on_news)));
  }
  Find(id, caller,
       [this, start, on_news = std::move(on_news),
        answer = std::move(answer)](const absl::StatusOr<StoredJob>& found) {
         if (!found.ok()) return answer(found.status());
         const std::string& job = found->job.id();
         const bool ended = found->job.has_end_time();
         if (!ended && !closed_) {
           upstreams_.try_emplace(job, Upstream{.number = ++last_upstream_, .tenant = found->job.tenant()});
         }
         if (ended && !events_.Has(job)) events_.Restore(*found, std::nullopt);
         answer(BeginWatch(job, start.after_sequence, on_news));
       });
}

WatchId LeaderClient::BeginWatch(const std::string& id, uint64_t after_sequence,
                                 std::function<void()> on_news) {
  const WatchId watch = events_.Watch(id, after_sequence, std::move(on_news));
  const auto upstream = upstreams_.find(id);
  watchers_[watch] = {id, upstream == upstreams_.end() ? 0 : upstream->second.number};
  if (upstream == upstreams_.end()) return watch;
  ++upstream->second.watchers;
  if (upstream->second.stream == nullptr) Connect(id, upstream->second);
  return watch;
}

void LeaderClient::Unwatch(WatchId watch) {
  events_.Unwatch(watch);
  const auto left = watchers_.extract(watch);
  if (left.empty()) return;
  const auto& [job, number] = left.mapped();
  const auto upstream = upstreams_.find(job);
  if (upstream == upstreams_.end() || upstream->second.number != number) return;
  if (--upstream->second.watchers > 0) return;
  // Nobody keeps the feed up any more.
  if (upstream->second.stream != nullptr) upstream->second.stream->Stop();
  events_.Forget(upstream->first);
  upstreams_.erase(upstream);
}

void LeaderClient::Connect(const std::string& id, Upstream& upstream) {
  if (calls_.leader() == nullptr) return;
  internal::v1::WatchRequest request;
  request.set_id(id);
  request.set_after_sequence(upstream.last_sequence);
  request.set_front(options_.front);
  const auto tied = tied_.find(id);
  request.set_tied_calls(tied == tied_.end() ? 0 : static_cast<uint32_t>(tied->second));
  upstream.stream = UpstreamWatch::Start(
      calls_.leader(), {.tenant = upstream.tenant}, std::move(request), options_.post, in_flight_,
      {.event = [this, id](v1::JobEvent event) { OnEvent(id, std::move(event)); },
       .ended = [this, id](const absl::Status& status) { OnStreamEnded(id, status); }});
}

void LeaderClient::OnEvent(const std::string& id, v1::JobEvent event) {
  Upstream& upstream = upstreams_.at(id);
  const uint64_t sequence = event.sequence();
  if (sequence <= upstream.last_sequence) return;
  upstream.last_sequence = sequence;
  events_.PublishAt(id, sequence, std::move(event));
}

void LeaderClient::OnStreamEnded(const std::string& id, const absl::Status& status) {
  Upstream& upstream = upstreams_.at(id);
  upstream.stream = nullptr;
  if (LeaderCalls::IsLost(status)) {
    again_.Set(id, options_.steady_clock() + kStreamPause);
    return;
  }
  // The feed is complete, or never will be.
  upstreams_.erase(id);
  if (!status.ok()) events_.Fail(id, status);
}

}  // namespace mind::server
