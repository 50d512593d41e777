#include "server/http/sdapi_schemas.h"

#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace mind::server {
namespace {

constexpr char kRequest[] = R"({
  "type": "object",
  "description": "What is not named here is passed over, or refused by name where it cannot be.",
  "properties": {
    "prompt": {"type": "string"},
    "negative_prompt": {"type": "string"},
    "seed": {"type": "integer", "minimum": -1},
    "subseed": {"type": "integer", "minimum": -1},
    "subseed_strength": {"type": "number", "minimum": 0, "maximum": 1},
    "steps": {"type": "integer", "minimum": 1},
    "cfg_scale": {"type": "number", "minimum": 0},
    "width": {"type": "integer", "minimum": 1},
    "height": {"type": "integer", "minimum": 1},
    "batch_size": {"type": "integer", "minimum": 1},
    "n_iter": {"type": "integer", "minimum": 1},
    "sampler_name": {"type": ["string", "null"]},
    "init_images": {"type": "array", "items": {"type": "string"}, "description": "Base64 or data URLs; of img2img."},
    "extra_images": {"type": "array", "items": {"type": "string"}, "description": "Likewise: pictures that a model goes by, behind those of init_images, which changes pictures."},
    "denoising_strength": {"type": "number", "minimum": 0, "maximum": 1},
    "enable_hr": {"type": "boolean", "description": "Of txt2img: a second pass at a larger size."},
    "hr_scale": {"type": "number"},
    "hr_resize_x": {"type": "integer", "minimum": 0},
    "hr_resize_y": {"type": "integer", "minimum": 0},
    "hr_second_pass_steps": {"type": "integer", "minimum": 0},
    "hr_upscaler": {"type": ["string", "null"], "enum": [null, "Latent", "Lanczos", "None"]},
    "override_settings": {"type": "object"},
    "force_task_id": {"type": ["string", "null"]}}})";

constexpr char kSdapiImages[] = R"({
  "type": "object",
  "required": ["images", "parameters", "info"],
  "properties": {
    "images": {"type": "array", "items": {"type": "string", "contentEncoding": "base64"}},
    "parameters": {"type": "object"},
    "info": {"type": "string", "description": "JSON."}}})";

constexpr char kSdapiError[] = R"({
  "type": "object",
  "required": ["error", "detail", "body", "errors"],
  "properties": {
    "error": {"type": "string"},
    "detail": {"type": "string"},
    "body": {"type": "string"},
    "errors": {"type": "string"}}})";

// "sdapi/v1/sd-models" is getSdapiV1SdModels.
std::string IdOf(const std::string& method, const std::string& path) {
  std::string id = absl::AsciiStrToLower(method);
  bool begins = true;
  for (const char c : path) {
    const bool part = absl::ascii_isalnum(static_cast<unsigned char>(c));
    if (part) id += begins ? absl::ascii_toupper(static_cast<unsigned char>(c)) : c;
    begins = !part;
  }
  return id;
}

struct Told {
  const char* summary;
  const char* takes = nullptr;  // a schema
};

const std::map<std::string, Told>& Summaries() {
  static const auto* const summaries = new std::map<std::string, Told>{
      {"/sdapi/v1/txt2img", {"Makes pictures of a prompt", "#SdapiRequest"}},
      {"/sdapi/v1/img2img", {"Makes pictures that begin with another", "#SdapiRequest"}},
      {"/sdapi/v1/interrupt", {"Ends the caller's newest call"}},
      {"/sdapi/v1/skip", {"Ends the caller's newest call"}},
      {"/sdapi/v1/progress", {"How far the caller's newest call is"}},
      {"/internal/progress", {"How far a task is", R"({"type": "object"})"}},
      {"/sdapi/v1/png-info",
       {"What a PNG says of how it was made",
        R"({"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}})"}},
  };
  return *summaries;
}

}  // namespace

void DescribeSdapi(Router& router) {
  router.Describe("SdapiRequest", kRequest);
  router.Describe("SdapiImages", kSdapiImages);
  router.Describe("SdapiError", kSdapiError);
}

Operation SdapiOperation(const std::string& method, const std::string& path) {
  Operation operation{.id = IdOf(method, path),
                      .tag = "A1111",
                      .summary = absl::StrReplaceAll(path.substr(path.rfind('/') + 1), {{"-", " "}}),
                      .error = "#SdapiError",
                      .refusals = {400, 404, 422, 429, 499, 504}};
  SchemaText answer = "{}";
  if (const auto told = Summaries().find(path); told != Summaries().end()) {
    operation.summary = told->second.summary;
    if (told->second.takes != nullptr) operation.takes = {{"application/json", told->second.takes}};
    if (operation.takes.empty() || operation.takes[0].schema != "#SdapiRequest") {
      answer = R"({"type": ["object", "null"]})";
    } else {
      answer = "#SdapiImages";
    }
  } else if (path == "/sdapi/v1/options" && method == "POST") {
    operation.takes = {{"application/json", R"({"type": "object"})"}};
  }
  operation.answers = {{200, "What was asked for.", {{"application/json", answer}}}};
  return operation;
}

}  // namespace mind::server
