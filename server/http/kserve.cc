#include "server/http/kserve.h"

#include <algorithm>
#include <string>

#include "nlohmann/json.hpp"
#include "proto/support/errors.h"
#include "server/http/status.h"

namespace mind::server {
namespace {

using nlohmann::json;

HttpResponse KserveJson(int status, const json& body) {
  return Answered(status, "application/json", body.dump());
}

HttpResponse Error(const absl::Status& error) {
  HttpResponse response = KserveJson(HttpStatusOf(error), {{"error", std::string(error.message())}});
  AddRetryHeaders(error, response);
  return response;
}

bool Serves(const v1::Worker& worker, const std::string& model) {
  const bool has = model.empty() ? !worker.models().empty()
                                 : std::find(worker.models().begin(), worker.models().end(), model) !=
                                       worker.models().end();
  return has && (worker.state() == v1::WORKER_STATE_READY || worker.state() == v1::WORKER_STATE_BUSY);
}

// Whether some worker serves the model; any, where none is named.
void AnswerReady(const FaceContext& context, const ExchangePtr& exchange, const std::string& model) {
  context.generation.ListWorkers([exchange, model](const absl::StatusOr<v1::ListWorkersResponse>& workers) {
    if (!workers.ok()) return exchange->Answer(Error(workers.status()));
    const bool ready = std::any_of(workers->workers().begin(), workers->workers().end(),
                                   [&model](const v1::Worker& worker) { return Serves(worker, model); });
    json body = {{"ready", ready}};
    if (!model.empty()) body["name"] = model;
    exchange->Answer(KserveJson(ready ? 200 : 503, body));
  });
}

Operation KserveOperation(const std::string& id, const std::string& summary, bool of_model) {
  Operation operation{.id = id,
                      .tag = "KServe",
                      .summary = summary,
                      .answers = {{200, "It is so.", {{"application/json", R"({"type": "object"})"}}}},
                      .error = "#KserveError"};
  if (!of_model) return operation;
  operation.parameters = {{"path", "model", R"({"type": "string"})", "Its name."}};
  operation.refusals = {400, 404};
  return operation;
}

constexpr char kKserveErrorSchema[] = R"({
  "type": "object",
  "properties": {
    "error": {"type": "string"},
    "ready": {"type": "boolean", "description": "false, with the status 503"},
    "name": {"type": "string"}}})";

}  // namespace

void AddKserveFace(const FaceContext& context, Router& router) {
  using Arguments = Router::Arguments;
  router.Describe("KserveError", kKserveErrorSchema);
  router.Add(
      "GET", "/v2",
      [](const ExchangePtr& exchange, const Arguments&) {
        exchange->Answer(KserveJson(
            200, {{"name", "mind-diffusion"}, {"version", MIND_VERSION}, {"extensions", json::array()}}));
      },
      KserveOperation("getV2", "The server", false));
  router.Add(
      "GET", "/v2/health/live",
      [](const ExchangePtr& exchange, const Arguments&) {
        exchange->Answer(KserveJson(200, {{"live", true}}));
      },
      KserveOperation("getV2Live", "Whether it runs", false));
  router.Add(
      "GET", "/v2/health/ready",
      [&context](const ExchangePtr& exchange, const Arguments&) {
        OnLoop(context, exchange,
               [&context, exchange](const Caller&) { AnswerReady(context, exchange, ""); });
      },
      KserveOperation("getV2Ready", "Whether some worker serves a model", false));
  // `answer` gets a model that is known.
  const auto with_model = [&context](auto answer) {
    return [&context, answer](const ExchangePtr& exchange, const Arguments& of) {
      OnLoop(context, exchange, [&context, exchange, answer, name = of[0]](const Caller&) {
        context.generation.GetModel(name, [exchange, answer](const absl::StatusOr<v1::Model>& model) {
          model.ok() ? answer(exchange, *model) : exchange->Answer(Error(model.status()));
        });
      });
    };
  };
  router.Add("GET", "/v2/models/{model}", with_model([](const ExchangePtr& exchange, const v1::Model& model) {
               exchange->Answer(KserveJson(200, {{"name", model.name()},
                                                 {"versions", json::array()},
                                                 {"platform", "mind-diffusion"},
                                                 {"inputs", json::array()},
                                                 {"outputs", json::array()}}));
             }),
             KserveOperation("getV2Model", "A model", true));
  router.Add("GET", "/v2/models/{model}/ready",
             with_model([&context](const ExchangePtr& exchange, const v1::Model& model) {
               AnswerReady(context, exchange, model.name());
             }),
             KserveOperation("getV2ModelReady", "Whether some worker serves it", true));
  router.SetErrorForm("/v2", Error);
  router.SetNobody("/v2/", [](const ExchangePtr& exchange, const std::string& allow) {
    const std::string path = Printable(exchange->request().path, 100);
    exchange->Answer(
        KserveJson(allow.empty() ? 404 : 405,
                   {{"error", allow.empty() ? path + ": health and models are all there is; pictures are "
                                                     "made through /v1/images/generations"
                                            : path + " takes " + allow}}));
  });
}

}  // namespace mind::server
