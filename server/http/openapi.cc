#include "server/http/openapi.h"

#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "server/http/proto_schema.h"

namespace mind::server {
namespace {

using nlohmann::json;

// What any route may answer with, before its handler is asked or instead of it.
constexpr int kAlways[] = {400, 401, 403, 413, 429, 431, 500, 503};

// What a connection answers where a request does not come to its handler.
constexpr char kRefusal[] = R"({
  "type": "object",
  "required": ["error"],
  "properties": {"error": {
    "type": "object",
    "required": ["message", "type", "param", "code"],
    "properties": {
      "message": {"type": "string"},
      "type": {"type": "string"},
      "param": {"type": "null"},
      "code": {"type": "string"}}}}})";

const std::map<int, std::string>& Meanings() {
  static const auto* const meanings = new std::map<int, std::string>{
      {400, "A field, or the request, is not as it must be."},
      {401, "The caller is not known."},
      {403, "The caller may not do this."},
      {404, "There is none of that name."},
      {413, "The request is too large."},
      {422, "The request fits no worker."},
      {429, "Too much waits, or the tenant has asked for too much: come again when retry-after says."},
      {431, "The request's header is too large."},
      {499, "The job was cancelled."},
      {500, "Something went wrong on the server or a worker."},
      {501, "This is not supported."},
      {503, "The server cannot do this now: come again when retry-after says."},
      {504, "The job's time is up."},
  };
  return *meanings;
}

class Writer {
 public:
  explicit Writer(const Router& router) : router_(router) {}

  json Write() {
    json paths = json::object();
    for (const Router::Route& route : router_.routes()) {
      if (route.operation.id.empty()) continue;
      paths[route.pattern][absl::AsciiStrToLower(route.method)] = Of(route.operation);
    }
    json schemas = {{"Refusal", SchemaOf(kRefusal)}};
    for (const auto& [name, schema] : router_.schemas()) schemas[name] = SchemaOf(schema);
    schemas.update(protos_.all());
    return {{"openapi", "3.1.0"},
            {"info",
             {{"title", "Mind-Diffusion"},
              {"version", MIND_VERSION},
              {"description",
               "Pictures from prompts: jobs and events, and the APIs that other programs speak."}}},
            {"servers", json::array({{{"url", "/"}}})},
            {"paths", std::move(paths)},
            // Where the server asks for keys; else without.
            {"security", {json::object(), {{"key", json::array()}}, {{"password", json::array()}}}},
            {"components",
             {{"schemas", std::move(schemas)},
              {"headers", Headers()},
              {"securitySchemes",
               {{"key", {{"type", "http"}, {"scheme", "bearer"}}},
                {"password",
                 {{"type", "http"}, {"scheme", "basic"}, {"description", "The key is the password."}}}}}}}};
  }

 private:
  json SchemaOf(const SchemaText& text) {
    if (absl::StartsWith(text, "{")) return json::parse(text);
    if (absl::StartsWith(text, "#")) return {{"$ref", "#/components/schemas/" + text.substr(1)}};
    return protos_.Of(text);
  }

  json Content(const std::vector<Body>& bodies) {
    json content = json::object();
    for (const Body& body : bodies) {
      content[body.content_type] =
          body.schema.empty() ? json::object() : json{{"schema", SchemaOf(body.schema)}};
    }
    return content;
  }

  json Of(const Parameter& parameter) {
    json object = {{"in", parameter.in},
                   {"name", parameter.name},
                   {"required", parameter.in == "path"},
                   {"schema", SchemaOf(parameter.schema)}};
    if (!parameter.description.empty()) object["description"] = parameter.description;
    if (!parameter.style.empty()) object["style"] = parameter.style;
    return object;
  }

  json Of(const Operation& operation) {
    json object = {{"operationId", operation.id},
                   {"tags", json::array({operation.tag})},
                   {"summary", operation.summary}};
    if (!operation.description.empty()) object["description"] = operation.description;
    json parameters = json::array();
    for (const Parameter& parameter : operation.parameters) parameters.push_back(Of(parameter));
    if (!parameters.empty()) object["parameters"] = std::move(parameters);
    if (!operation.takes.empty()) {
      object["requestBody"] = {{"required", true}, {"content", Content(operation.takes)}};
    }
    json& responses = object["responses"] = json::object();
    for (const Reply& reply : operation.answers) {
      json response = {{"description", reply.description}, {"headers", AnyHeaders()}};
      if (!reply.bodies.empty()) response["content"] = Content(reply.bodies);
      responses[absl::StrCat(reply.status)] = std::move(response);
    }
    std::set<int> refusals(operation.refusals.begin(), operation.refusals.end());
    refusals.insert(std::begin(kAlways), std::end(kAlways));
    const json error = {{"anyOf", json::array({SchemaOf(operation.error), SchemaOf("#Refusal")})}};
    for (const int status : refusals) {
      responses[absl::StrCat(status)] = {{"description", Meanings().at(status)},
                                         {"headers", AnyHeaders()},
                                         {"content", {{"application/json", {{"schema", error}}}}}};
    }
    return object;
  }

  static json AnyHeaders() { return {{"x-request-id", {{"$ref", "#/components/headers/RequestId"}}}}; }

  static json Headers() {
    return {{"RequestId",
             {{"description",
               "Names the request, here and in the server's log: the caller's own, if it sent one."},
              {"schema", {{"type", "string"}}}}}};
  }

  const Router& router_;
  ProtoSchemas protos_;
};

}  // namespace

std::string OpenApiDocument(const Router& router) {
  return Writer(router).Write().dump(1);
}

void AddOpenApi(Router& router) {
  const auto document = std::make_shared<HttpResponse>();
  router.Add(
      "GET", "/openapi.json",
      [document](const ExchangePtr& exchange, const Router::Arguments&) { exchange->Answer(*document); },
      {.id = "getOpenApi",
       .tag = "API",
       .summary = "This document",
       .answers = {{200, "OpenAPI 3.1", {{"application/json", R"({"type": "object"})"}}}},
       .refusals = {}});
  *document = Answered(200, "application/json", OpenApiDocument(router));
}

}  // namespace mind::server
