#include "server/http/native.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "server/http/job_events.h"
#include "server/http/pictures.h"
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

absl::StatusOr<bool> QueryFlag(const HttpRequest& request, const std::string& name) {
  const std::string& text = request.Query(name);
  if (text.empty() || text == "false") return false;
  if (text == "true") return true;
  return InvalidField(name, absl::StrCat(name, " must be true or false, given: ", Printable(text, 40)));
}

// Of ?labels[user]=ann&labels[run]=7.
void QueryLabels(const HttpRequest& request, google::protobuf::Map<std::string, std::string>& labels) {
  for (const auto& [name, text] : request.query) {
    absl::string_view label = name;
    if (absl::ConsumePrefix(&label, "labels[") && absl::ConsumeSuffix(&label, "]")) {
      labels[std::string(label)] = text;
    }
  }
}

// POST /v1/jobs?validate_only=true
void Check(const FaceContext& context, const ExchangePtr& exchange, v1::JobRequest request) {
  OnLoop(context, exchange,
         [&context, exchange, submission = PrepareSubmission(std::move(request))](const Caller& caller) {
           context.generation.Check(submission, caller, Answering<v1::CreateJobResponse>(exchange));
         });
}

// POST /v1/jobs
void Create(const FaceContext& context, const ExchangePtr& exchange) {
  v1::JobRequest request;
  if (absl::Status bad = FromJson(exchange->request().body, &request); !bad.ok()) {
    return exchange->Answer(ErrorResponse(bad));
  }
  if (const std::string& key = exchange->request().Header("idempotency-key"); !key.empty())
    request.set_request_id(key);
  const absl::StatusOr<bool> check = QueryFlag(exchange->request(), "validate_only");
  if (!check.ok()) return exchange->Answer(ErrorResponse(check.status()));
  if (*check) return Check(context, exchange, std::move(request));
  OnLoop(context, exchange,
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
  QueryLabels(asked, *request.mutable_labels());
  OnLoop(context, exchange, [&context, exchange, request](const Caller& caller) {
    context.generation.List(request, caller, Answering<v1::ListJobsResponse>(exchange));
  });
}

// POST /v1/jobs/{id}/cancel and DELETE /v1/jobs/{id}
using Ending = void (Generation::*)(const std::string&, const Caller&, const absl::Status&,
                                    Generation::Answer<v1::Job>);
void EndJob(const FaceContext& context, const ExchangePtr& exchange, const std::string& id, Ending end) {
  OnLoop(context, exchange, [&context, exchange, id, end](const Caller& caller) {
    (context.generation.*end)(id, caller, CancelledByRequest(id), Answering<v1::Job>(exchange));
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
  JobCall::Start(context, exchange, NewJobEvents(exchange, encodings),
                 [id, after = *after, caller = exchange->caller()](EventPump& pump) {
                   pump.Watch(id, {.after_sequence = after}, caller);
                 });
}

// --- Routes, and what they say of themselves.

constexpr char kErrorSchema[] = R"({
  "type": "object",
  "description": "An error, as Google's APIs answer it (AIP-193).",
  "required": ["error"],
  "properties": {"error": {
    "type": "object",
    "required": ["code", "status", "message", "details"],
    "properties": {
      "code": {"type": "integer", "description": "The answer's status."},
      "status": {"type": "string", "description": "The code's name, NOT_FOUND say."},
      "message": {"type": "string", "description": "For people."},
      "details": {"type": "array", "description": "google.rpc's details; one of them is an ErrorInfo, whose reason programs can tell.",
                  "items": {"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}}}}}}})";

const Parameter& Tenant() {
  static const auto* const tenant =
      new Parameter{"header", "mind-tenant", R"({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"})",
                    "Whose request it is; if left out, \"default\"."};
  return *tenant;
}

const Parameter& JobId() {
  static const auto* const id = new Parameter{"path", "id", R"({"type": "string"})", "The job's id."};
  return *id;
}

std::vector<Body> JsonBodies(const std::string& message) {
  return {{"application/json", message}};
}

void AddJobs(const FaceContext& context, Router& router) {
  using Arguments = Router::Arguments;
  router.Add(
      "POST", "/v1/jobs",
      [&context](const ExchangePtr& exchange, const Arguments&) { Create(context, exchange); },
      {.id = "createJob",
       .tag = "Jobs",
       .summary = "Makes a job, or says what it would cost",
       .parameters = {Tenant(),
                      {"header", "idempotency-key",
                       R"({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,36}$"})",
                       "The request_id: sent again with it, the same request gives the same job."},
                      {"query", "validate_only", R"({"type": "boolean"})", "Makes no job."}},
       .takes = JsonBodies("mind.v1.JobRequest"),
       .answers = {{202, "The job, which is on disk. Its path is in location.", JsonBodies("mind.v1.Job")},
                   {200, "With validate_only: the job as it would be, and what it would cost.",
                    JsonBodies("mind.v1.CreateJobResponse")}},
       .refusals = {400, 404, 422, 429, 504}});
  router.Add(
      "GET", "/v1/jobs",
      [&context](const ExchangePtr& exchange, const Arguments&) { List(context, exchange); },
      {.id = "listJobs",
       .tag = "Jobs",
       .summary = "The tenant's jobs, newest first",
       .parameters = {Tenant(),
                      {"query", "page_size", R"({"type": "integer", "minimum": 0, "maximum": 1000})",
                       "0 means 50."},
                      {"query", "page_token", R"({"type": "string"})", "nextPageToken of the page before."},
                      {"query", "state", "mind.v1.JobState", "Only jobs that are in this state now."},
                      {"query", "labels", R"({"type": "object", "additionalProperties": {"type": "string"}})",
                       "Only jobs with all of these labels: labels[user]=ann.", "deepObject"}},
       .answers = {{200, "A page of them.", JsonBodies("mind.v1.ListJobsResponse")}}});
  router.Add("GET", "/v1/jobs/{id}",
             [&context](const ExchangePtr& exchange, const Arguments& of) {
               OnLoop(context, exchange, [&context, exchange, id = of[0]](const Caller& caller) {
                 context.generation.Get(id, caller, Answering<v1::Job>(exchange));
               });
             },
             {.id = "getJob",
              .tag = "Jobs",
              .summary = "One job",
              .parameters = {JobId(), Tenant()},
              .answers = {{200, "As it is now.", JsonBodies("mind.v1.Job")}},
              .refusals = {400, 404}});
  router.Add("DELETE", "/v1/jobs/{id}",
             [&context](const ExchangePtr& exchange, const Arguments& of) {
               EndJob(context, exchange, of[0], &Generation::Delete);
             },
             {.id = "deleteJob",
              .tag = "Jobs",
              .summary = "Forgets a job and its pictures, cancelling it first if need be",
              .parameters = {JobId(), Tenant()},
              .answers = {{200, "As it ended.", JsonBodies("mind.v1.Job")}},
              .refusals = {400, 404}});
  router.Add("POST", "/v1/jobs/{id}/cancel",
             [&context](const ExchangePtr& exchange, const Arguments& of) {
               EndJob(context, exchange, of[0], &Generation::Cancel);
             },
             {.id = "cancelJob",
              .tag = "Jobs",
              .summary = "Ends a job",
              .parameters = {JobId(), Tenant()},
              .answers = {{200, "As it then is.", JsonBodies("mind.v1.Job")}},
              .refusals = {400, 404}});
  router.Add(
      "GET", "/v1/jobs/{id}/events",
      [&context, encodings = std::make_shared<EventEncodings>()](
          const ExchangePtr& exchange, const Arguments& of) { Watch(context, exchange, of[0], encodings); },
      {.id = "watchJob",
       .tag = "Jobs",
       .summary = "What happens to a job, until it ends",
       .description = "Server-sent events: the name is the kind (queued, waiting, started, stage, progress, "
                      "preview, image, "
                      "completed), the id the sequence number, the data a mind.v1.JobEvent without the "
                      "pictures' bytes. An "
                      "event \"error\" ends the stream with what went wrong.",
       .parameters = {JobId(),
                      Tenant(),
                      {"query", "after_sequence", R"({"type": "string", "pattern": "^[0-9]{1,20}$"})",
                       "Only events after this one."},
                      {"header", "last-event-id", R"({"type": "string"})", "The same, as browsers send it."}},
       .answers = {{200,
                    "The events.",
                    {{"text/event-stream", R"({"description": "Server-sent events."})"}}}},
       .refusals = {400, 404}});
}

void AddServer(const FaceContext& context, Router& router) {
  using Arguments = Router::Arguments;
  router.Add(
      "GET", "/v1/samplers",
      [&context](const ExchangePtr& exchange, const Arguments&) {
        OnLoop(context, exchange, [&context, exchange](const Caller&) {
          context.generation.ListSamplers(exchange->request().Query("model"),
                                          Answering<v1::ListSamplersResponse>(exchange));
        });
      },
      {.id = "listSamplers",
       .tag = "Server",
       .summary = "The samplers of a model, and what each can be told",
       .parameters = {Tenant(),
                      {"query", "model", R"({"type": "string"})", "May be left out where one is meant."}},
       .answers = {{200, "In the order meant for people.", JsonBodies("mind.v1.ListSamplersResponse")}},
       .refusals = {400, 404}});
  router.Add("GET", "/v1/workers",
             [&context](const ExchangePtr& exchange, const Arguments&) {
               OnLoop(context, exchange, [&context, exchange](const Caller&) {
                 context.generation.ListWorkers(Answering<v1::ListWorkersResponse>(exchange));
               });
             },
             {.id = "listWorkers",
              .tag = "Server",
              .summary = "The workers connected now",
              .parameters = {Tenant()},
              .answers = {{200, "By name.", JsonBodies("mind.v1.ListWorkersResponse")}}});
}

}  // namespace

void AddNativeFace(const FaceContext& context, Router& router) {
  router.Describe("Error", kErrorSchema);
  AddJobs(context, router);
  AddPictures(context, router);
  AddServer(context, router);
}

}  // namespace mind::server
