#include "server/http/openai.h"

#include <utility>

#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "proto/support/errors.h"
#include "server/http/openai_images.h"
#include "server/http/openai_request.h"
#include "server/http/openai_schemas.h"
#include "server/http/proto_json.h"

namespace mind::server {
namespace {

// A model as OpenAI lists it; all we know of it is in `mind`.
nlohmann::json Listed(const v1::Model& model) {
  return {{"id", model.name()},
          {"object", "model"},
          {"created", 0},
          {"owned_by", "mind-diffusion"},
          {"mind", nlohmann::json::parse(ToJson(model))}};
}

HttpResponse OpenAiJson(const nlohmann::json& body) {
  return Answered(200, "application/json", body.dump());
}

// The request is complete: makes the pictures.
void Run(const FaceContext& context, const ExchangePtr& exchange, const Caller& caller,
         const OpenAiRequest& request, const std::string& prefix) {
  const CallTimes call{.started = absl::Now()};
  std::unique_ptr<JobCall::Listener> listener = request.stream
                                                    ? NewImagesStream(exchange, request, prefix)
                                                    : NewImagesAnswer(context, exchange, request, caller);
  JobCall::Start(context, exchange, std::move(listener),
                 [submission = PrepareSubmission(request.job), caller, call](EventPump& pump) {
                   pump.Generate(submission, caller, call);
                 });
}

// POST /v1/images/…
void MakeImages(const FaceContext& context, const ExchangePtr& exchange,
                absl::StatusOr<OpenAiRequest> request, const std::string& prefix) {
  if (!request.ok()) return exchange->Answer(OpenAiError(request.status()));
  OnLoop(context, exchange,
         [&context, exchange, request = *std::move(request), prefix](const Caller& caller) mutable {
           const bool asks = request.quality != Quality::kAuto || request.partial_images > 0;
           if (!asks) return Run(context, exchange, caller, request, prefix);
           context.generation.GetModel(
               request.job.spec().model(),
               [&context, exchange, caller, request, prefix](const absl::StatusOr<v1::Model>& model) mutable {
                 if (!model.ok()) return exchange->Answer(OpenAiError(model.status()));
                 SetSteps(*model, request);
                 Run(context, exchange, caller, request, prefix);
               });
         });
}

// POST /v1/images/variations
void RefuseVariations(const ExchangePtr& exchange, const Router::Arguments&) {
  exchange->Answer(OpenAiError(MakeError(
      absl::StatusCode::kUnimplemented,
      "variations are not supported; /v1/images/edits with a picture and a prompt is what comes nearest",
      "NOT_SUPPORTED")));
}

void AddImages(const FaceContext& context, Router& router) {
  using Arguments = Router::Arguments;
  const std::vector<Reply> answers = {{200,
                                       "The pictures, or with stream what becomes of them.",
                                       {{"application/json", "#OpenAiImages"},
                                        {"text/event-stream", R"({"description": "Server-sent events."})"}}}};
  const std::vector<int> refusals = {400, 404, 422, 429, 499, 504};
  router.Add("POST", "/v1/images/generations",
             [&context](const ExchangePtr& exchange, const Arguments&) {
               MakeImages(context, exchange, ParseGeneration(exchange->request()), "image_generation");
             },
             {.id = "createImage",
              .tag = "OpenAI",
              .summary = "Makes pictures of a prompt",
              .takes = {{"application/json", "#OpenAiGeneration"}},
              .answers = answers,
              .error = "#OpenAiError",
              .refusals = refusals});
  router.Add("POST", "/v1/images/edits",
             [&context](const ExchangePtr& exchange, const Arguments&) {
               MakeImages(context, exchange, ParseEdit(exchange->request()), "image_edit");
             },
             {.id = "createImageEdit",
              .tag = "OpenAI",
              .summary = "Makes pictures that begin with another",
              .takes = {{"multipart/form-data", "#OpenAiEditForm"}, {"application/json", "#OpenAiEdit"}},
              .answers = answers,
              .error = "#OpenAiError",
              .refusals = refusals});
  router.Add("POST", "/v1/images/variations", RefuseVariations,
             {.id = "createImageVariation",
              .tag = "OpenAI",
              .summary = "Not supported",
              .error = "#OpenAiError",
              .refusals = {501}});
}

void AddModels(const FaceContext& context, Router& router) {
  using Arguments = Router::Arguments;
  router.Add(
      "GET", "/v1/models",
      [&context](const ExchangePtr& exchange, const Arguments&) {
        OnLoop(context, exchange, [&context, exchange](const Caller&) {
          context.generation.ListModels([exchange](const absl::StatusOr<v1::ListModelsResponse>& models) {
            if (!models.ok()) return exchange->Answer(OpenAiError(models.status()));
            nlohmann::json data = nlohmann::json::array();
            for (const v1::Model& model : models->models()) data.push_back(Listed(model));
            exchange->Answer(OpenAiJson({{"object", "list"}, {"data", std::move(data)}}));
          });
        });
      },
      {.id = "listModels",
       .tag = "OpenAI",
       .summary = "All models that workers have offered",
       .answers = {{200, "By name.", {{"application/json", "#OpenAiModels"}}}},
       .error = "#OpenAiError"});
  router.Add("GET", "/v1/models/{model}",
             [&context](const ExchangePtr& exchange, const Arguments& of) {
               OnLoop(context, exchange, [&context, exchange, name = of[0]](const Caller&) {
                 context.generation.GetModel(name, [exchange](const absl::StatusOr<v1::Model>& model) {
                   exchange->Answer(model.ok() ? OpenAiJson(Listed(*model)) : OpenAiError(model.status()));
                 });
               });
             },
             {.id = "retrieveModel",
              .tag = "OpenAI",
              .summary = "One model",
              .parameters = {{"path", "model", R"({"type": "string"})", "Its name."}},
              .answers = {{200, "The model.", {{"application/json", "#OpenAiModel"}}}},
              .error = "#OpenAiError",
              .refusals = {400, 404}});
}

}  // namespace

void AddOpenAiFace(const FaceContext& context, Router& router) {
  DescribeOpenAi(router);
  AddImages(context, router);
  AddModels(context, router);
  router.SetErrorForm("/v1/images", OpenAiError);
  router.SetErrorForm("/v1/models", OpenAiError);
  router.SetNobody("/", [](const ExchangePtr& exchange, const std::string& allow) {
    if (allow.empty()) {
      return exchange->Answer(
          OpenAiError(MakeError(absl::StatusCode::kNotFound,
                                "nothing is at " + Printable(exchange->request().path, 100), "UNKNOWN_URL")));
    }
    HttpResponse response =
        OpenAiError(MakeError(absl::StatusCode::kInvalidArgument,
                              Printable(exchange->request().path, 100) + " takes " + allow + ", not " +
                                  Printable(exchange->request().method, 20),
                              "METHOD_NOT_ALLOWED"));
    response.status = 405;
    response.headers.emplace_back("allow", allow);
    exchange->Answer(std::move(response));
  });
}

}  // namespace mind::server
