#include "server/http/native.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "server/http/job_events.h"
#include "server/http/proto_json.h"
#include "server/http/status.h"

namespace mind::server {
namespace {

// A number out of the query; `none` if it is not there.
absl::StatusOr<uint64_t> QueryNumber(const HttpRequest& request, const std::string& name, uint64_t none) {
  const std::string& text = request.Query(name);
  uint64_t number = none;
  if (text.empty() || absl::SimpleAtoi(text, &number)) return number;
  return InvalidField(name,
                      absl::StrCat(name, " must be a whole number from 0, given: ", Printable(text, 40)));
}

// The answer to `exchange`: the message, or the error.
template <typename Message>
std::function<void(absl::StatusOr<Message>)> Answering(const ExchangePtr& exchange) {
  return [exchange](const absl::StatusOr<Message>& message) {
    exchange->Answer(message.ok() ? JsonResponse(*message) : ErrorResponse(message.status()));
  };
}

// POST /v1/jobs
void Create(const FaceContext& context, const ExchangePtr& exchange) {
  v1::JobRequest request;
  if (absl::Status bad = FromJson(exchange->request().body, &request); !bad.ok()) {
    return exchange->Answer(ErrorResponse(bad));
  }
  if (const std::string& key = exchange->request().Header("idempotency-key"); !key.empty())
    request.set_request_id(key);
  OnLoop(context, exchange, ErrorResponse,
         [&context, exchange, submission = PrepareSubmission(std::move(request))](const Caller& caller) {
           context.generation.Submit(
               submission, caller, std::nullopt, [exchange](const absl::StatusOr<v1::Job>& job) {
                 if (!job.ok()) return exchange->Answer(ErrorResponse(job.status()));
                 HttpResponse response = JsonResponse(*job, 202);
                 response.headers.emplace_back("location", absl::StrCat("/v1/jobs/", job->id()));
                 exchange->Answer(std::move(response));
               });
         });
}

// GET /v1/jobs
void List(const FaceContext& context, const ExchangePtr& exchange) {
  const HttpRequest& asked = exchange->request();
  v1::ListJobsRequest request;
  const absl::StatusOr<uint64_t> page_size = QueryNumber(asked, "page_size", 0);
  if (!page_size.ok()) return exchange->Answer(ErrorResponse(page_size.status()));
  request.set_page_size(static_cast<uint32_t>(std::min<uint64_t>(*page_size, UINT32_MAX)));
  request.set_page_token(asked.Query("page_token"));
  v1::JobState state = v1::JOB_STATE_UNSPECIFIED;
  if (const std::string& name = asked.Query("state"); !name.empty() && !v1::JobState_Parse(name, &state)) {
    return exchange->Answer(ErrorResponse(InvalidField(
        "state",
        absl::StrCat("state must be a JobState, JOB_STATE_RUNNING say; given: ", Printable(name, 40)))));
  }
  request.set_state(state);
  OnLoop(context, exchange, ErrorResponse, [&context, exchange, request](const Caller& caller) {
    context.generation.List(request, caller, Answering<v1::ListJobsResponse>(exchange));
  });
}

// DELETE /v1/jobs/{id}
void Cancel(const FaceContext& context, const ExchangePtr& exchange, const std::string& id) {
  OnLoop(context, exchange, ErrorResponse, [&context, exchange, id](const Caller& caller) {
    const absl::Status reason = MakeError(absl::StatusCode::kCancelled, "cancelled by request", "CANCELLED",
                                          {{"job", Printable(id)}});
    context.generation.Cancel(id, caller, reason, Answering<v1::Job>(exchange));
  });
}

// GET /v1/jobs/{id}/events
void Watch(const FaceContext& context, const ExchangePtr& exchange, const std::string& id,
           const std::shared_ptr<EventEncodings>& encodings) {
  const HttpRequest& asked = exchange->request();
  absl::StatusOr<uint64_t> after = QueryNumber(asked, "after_sequence", 0);
  uint64_t last = 0;
  if (absl::SimpleAtoi(asked.Header("last-event-id"), &last)) after = last;
  if (!after.ok()) return exchange->Answer(ErrorResponse(after.status()));
  const absl::StatusOr<Caller> caller = CallerOf(asked);
  if (!caller.ok()) return exchange->Answer(ErrorResponse(caller.status()));
  JobCall::Start(context, exchange, NewJobEvents(exchange, encodings),
                 [id, after = *after, caller = *caller](EventPump& pump) {
                   pump.Watch(id, {.after_sequence = after}, caller);
                 });
}

// Of "bytes=first-last", where it asks for one range that is there.
std::optional<std::pair<size_t, size_t>> RangeOf(const std::string& header, size_t size) {
  absl::string_view text = header;
  if (!absl::ConsumePrefix(&text, "bytes=")) return std::nullopt;
  const std::pair<absl::string_view, absl::string_view> ends = absl::StrSplit(text, absl::MaxSplits('-', 1));
  size_t first = 0, last = size - 1;
  if (!absl::SimpleAtoi(ends.first, &first)) return std::nullopt;
  if (!ends.second.empty() && !absl::SimpleAtoi(ends.second, &last)) return std::nullopt;
  if (first > last || first >= size) return std::nullopt;
  return std::pair(first, std::min(last, size - 1));
}

// A finished picture never changes, so its job and number are its tag.
void AnswerImage(const ExchangePtr& exchange, const std::string& tag, const StoredImage& image) {
  const HttpRequest& asked = exchange->request();
  HttpResponse response{
      .content_type = image.media_type,
      .headers = {{"etag", tag}, {"cache-control", "private, max-age=31536000, immutable"}}};
  if (asked.Header("if-none-match") == tag) {
    response.status = 304;
    return exchange->Answer(std::move(response));
  }
  response.headers.emplace_back("accept-ranges", "bytes");
  const auto range = RangeOf(asked.Header("range"), image.data.size());
  if (!range) {
    response.body = std::make_shared<const std::string>(image.data);
    return exchange->Answer(std::move(response));
  }
  response.status = 206;
  response.headers.emplace_back(
      "content-range", absl::StrCat("bytes ", range->first, "-", range->second, "/", image.data.size()));
  response.body =
      std::make_shared<const std::string>(image.data.substr(range->first, range->second - range->first + 1));
  exchange->Answer(std::move(response));
}

// GET /v1/jobs/{id}/images/{i}
void GetImage(const FaceContext& context, const ExchangePtr& exchange, const std::string& id,
              const std::string& number) {
  uint32_t index = 0;
  if (!absl::SimpleAtoi(number, &index)) {
    return exchange->Answer(ErrorResponse(InvalidField(
        "index",
        absl::StrCat("a picture's number is a whole number from 0, given: ", Printable(number, 40)))));
  }
  OnLoop(context, exchange, ErrorResponse, [&context, exchange, id, index](const Caller& caller) {
    context.generation.GetImage(id, index, caller,
                                [exchange, id, index](const absl::StatusOr<StoredImage>& image) {
                                  if (!image.ok()) return exchange->Answer(ErrorResponse(image.status()));
                                  AnswerImage(exchange, absl::StrCat("\"", id, "-", index, "\""), *image);
                                });
  });
}

}  // namespace

void AddNativeFace(const FaceContext& context, Router& router) {
  using Arguments = Router::Arguments;
  router.Add("POST", "/v1/jobs",
             [&context](const ExchangePtr& exchange, const Arguments&) { Create(context, exchange); });
  router.Add("GET", "/v1/jobs",
             [&context](const ExchangePtr& exchange, const Arguments&) { List(context, exchange); });
  router.Add("GET", "/v1/jobs/{}", [&context](const ExchangePtr& exchange, const Arguments& of) {
    OnLoop(context, exchange, ErrorResponse, [&context, exchange, id = of[0]](const Caller& caller) {
      context.generation.Get(id, caller, Answering<v1::Job>(exchange));
    });
  });
  router.Add("DELETE", "/v1/jobs/{}", [&context](const ExchangePtr& exchange, const Arguments& of) {
    Cancel(context, exchange, of[0]);
  });
  router.Add(
      "GET", "/v1/jobs/{}/events",
      [&context, encodings = std::make_shared<EventEncodings>()](
          const ExchangePtr& exchange, const Arguments& of) { Watch(context, exchange, of[0], encodings); });
  router.Add("GET", "/v1/jobs/{}/images/{}", [&context](const ExchangePtr& exchange, const Arguments& of) {
    GetImage(context, exchange, of[0], of[1]);
  });
  router.Add("GET", "/v1/samplers", [&context](const ExchangePtr& exchange, const Arguments&) {
    OnLoop(context, exchange, ErrorResponse, [&context, exchange](const Caller&) {
      context.generation.ListSamplers(exchange->request().Query("model"),
                                      Answering<v1::ListSamplersResponse>(exchange));
    });
  });
  router.Add("GET", "/v1/workers", [&context](const ExchangePtr& exchange, const Arguments&) {
    OnLoop(context, exchange, ErrorResponse, [&context, exchange](const Caller&) {
      context.generation.ListWorkers(Answering<v1::ListWorkersResponse>(exchange));
    });
  });
}

}  // namespace mind::server
