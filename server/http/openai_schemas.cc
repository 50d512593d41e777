#include "server/http/openai_schemas.h"

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"
#include "server/http/openai_extensions.h"

namespace mind::server {
namespace {

// What generations and edits take alike.
constexpr char kShared[] = R"(
    "prompt": {"type": "string"},
    "model": {"type": ["string", "null"], "description": "One of /v1/models; left out, or one of OpenAI's own names, the server's."},
    "n": {"type": ["integer", "null"], "minimum": 1, "maximum": 10},
    "size": {"type": ["string", "null"], "description": "auto, or WIDTHxHEIGHT as the model allows.", "pattern": "^(auto|[0-9]{1,5}x[0-9]{1,5})$"},
    "quality": {"enum": ["auto", "low", "medium", "high", "standard", "hd", null]},
    "output_format": {"enum": ["png", "jpeg", "webp", null]},
    "output_compression": {"type": ["integer", "null"], "minimum": 0, "maximum": 100, "description": "The quality of jpeg and webp; 100 is lossless for webp."},
    "response_format": {"enum": ["b64_json", "url", null], "description": "url: links that are good for an hour; not with stream."},
    "background": {"enum": ["auto", "opaque", null]},
    "stream": {"type": ["boolean", "null"]},
    "partial_images": {"type": ["integer", "null"], "minimum": 0, "maximum": 3},
    "user": {"type": ["string", "null"]},
    "negative_prompt": {"type": ["string", "null"]},
    "num_inference_steps": {"type": ["integer", "null"], "minimum": 1},
    "guidance_scale": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
    "seed": {"type": ["integer", "null"], "minimum": 0},
    "sampler": {"type": ["string", "null"]},
    "strength": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
    "priority": {"enum": ["low", "normal", "high", null]},
    "loras": {"type": ["array", "null"], "maxItems": 8, "items": {"type": "object", "required": ["name"], "properties": {
      "name": {"type": "string"}, "scale": {"type": "number", "minimum": -10, "maximum": 10}}}})";

constexpr char kPicture[] = R"({"oneOf": [
  {"type": "string", "pattern": "^data:"},
  {"type": "object", "required": ["image_url"], "properties": {"image_url": {"type": "string", "pattern": "^data:"}}}]})";

// A form's fields are texts.
constexpr char kForm[] = R"({
  "type": "object",
  "required": ["prompt", "image"],
  "properties": {
    "prompt": {"type": "string"},
    "image": {"type": "string", "contentMediaType": "application/octet-stream", "description": "PNG, JPEG or WebP. Again, or as image[], for each further picture that a model goes by which changes pictures."},
    "mask": {"type": "string", "contentMediaType": "application/octet-stream", "description": "Transparent where to paint anew."},
    "model": {"type": "string"},
    "n": {"type": "string", "pattern": "^([1-9]|10)$"},
    "size": {"type": "string", "pattern": "^(auto|[0-9]{1,5}x[0-9]{1,5})$"},
    "output_format": {"enum": ["png", "jpeg", "webp"]},
    "response_format": {"enum": ["b64_json", "url"]}}})";

constexpr char kOpenAiImages[] = R"({
  "type": "object",
  "required": ["created", "data"],
  "properties": {
    "created": {"type": "integer"},
    "data": {"type": "array", "items": {"type": "object", "required": ["seed"], "properties": {
      "b64_json": {"type": "string", "contentEncoding": "base64"},
      "url": {"type": "string"},
      "seed": {"type": "integer", "minimum": 0}}}},
    "background": {"type": "string"},
    "output_format": {"type": "string"},
    "quality": {"type": "string"},
    "size": {"type": "string"},
    "usage": {"type": "object", "description": "Nothing that is made here is a token."}}})";

constexpr char kModel[] = R"({
  "type": "object",
  "required": ["id", "object", "created", "owned_by", "mind"],
  "properties": {
    "id": {"type": "string"},
    "object": {"const": "model"},
    "created": {"type": "integer"},
    "owned_by": {"type": "string"},
    "mind": {"type": "object", "description": "All that is known of it: a mind.v1.Model."}}})";

constexpr char kModels[] = R"({
  "type": "object",
  "required": ["object", "data"],
  "properties": {
    "object": {"const": "list"},
    "data": {"type": "array", "items": {"$ref": "#/components/schemas/OpenAiModel"}}}})";

constexpr char kOpenAiError[] = R"({
  "type": "object",
  "required": ["error"],
  "properties": {"error": {
    "type": "object",
    "required": ["message", "type", "param", "code"],
    "properties": {
      "message": {"type": "string"},
      "type": {"type": "string"},
      "param": {"type": ["string", "null"]},
      "code": {"type": ["string", "null"]}}}}})";

using google::protobuf::FieldDescriptor;
using nlohmann::json;

json Reference(const std::string& name) {
  return {{"$ref", "#/components/schemas/" + name}};
}

json SchemaOf(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Reference(field.message_type()->full_name());
    case FieldDescriptor::CPPTYPE_ENUM: {
      json words = json::array();
      for (int i = 1; i < field.enum_type()->value_count(); ++i) {
        const std::string& name = field.enum_type()->value(i)->name();
        words.push_back(absl::AsciiStrToLower(absl::StripPrefix(name, EnumeratorPrefix(*field.enum_type()))));
      }
      return {{"enum", std::move(words)}};
    }
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_STRING:
      return {{"type", "string"}};
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return {{"type", "number"}};
    default:
      return {{"type", "integer"}, {"minimum", 0}};
  }
}

// The fields that are mind.v1.ImageSpec's, which may be null as all others may.
std::string SpecFields() {
  std::string properties;
  for (const std::string& name : OpenAiSpecFields()) {
    const FieldDescriptor& field = *v1::ImageSpec::descriptor()->FindFieldByName(name);
    json schema = field.is_map() ? json{{"type", "object"}} : SchemaOf(field);
    if (field.is_repeated() && !field.is_map()) schema = {{"type", "array"}, {"items", std::move(schema)}};
    const json either = {{"anyOf", json::array({std::move(schema), {{"type", "null"}}})}};
    absl::StrAppend(&properties, ", \"", name, "\": ", either.dump());
  }
  return properties;
}

std::string Request(const std::string& required, const std::string& more) {
  return absl::StrCat(R"({"type": "object", "required": [)", required, R"(], "properties": {)", kShared,
                      SpecFields(), more, "}}");
}

}  // namespace

void DescribeOpenAi(Router& router) {
  router.Describe("OpenAiGeneration", Request(R"("prompt")", ""));
  router.Describe(
      "OpenAiEdit",
      Request(
          R"("prompt", "images")",
          absl::StrCat(
              R"(, "images": {"type": "array", "description": "Several: as many as a model goes by that changes pictures.", "minItems": 1, "maxItems": 16, "items": )",
              kPicture, R"(}, "mask": )", kPicture)));
  router.Describe("OpenAiEditForm", kForm);
  router.Describe("OpenAiImages", kOpenAiImages);
  router.Describe("OpenAiModel", kModel);
  router.Describe("OpenAiModels", kModels);
  router.Describe("OpenAiError", kOpenAiError);
}

}  // namespace mind::server
