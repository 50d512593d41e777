#include "server/http/proto_schema.h"

#include <google/protobuf/descriptor.pb.h>

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_replace.h"

namespace mind::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;

// The comment above a declaration, as one paragraph; empty: none.
template <typename Declaration>
std::string CommentOn(const Declaration& declaration) {
  google::protobuf::SourceLocation location;
  if (!declaration.GetSourceLocation(&location)) return "";
  std::string text = absl::StrReplaceAll(location.leading_comments, {{"\n", " "}});
  absl::RemoveExtraAsciiWhitespace(&text);
  return text;
}

// Types that have a JSON of their own; null for others.
nlohmann::json WellKnown(const std::string& name) {
  if (name == "google.protobuf.Timestamp") return {{"type", "string"}, {"format", "date-time"}};
  if (name == "google.protobuf.Duration") {
    return {{"type", "string"}, {"pattern", R"(^-?[0-9]{1,12}(\.[0-9]{1,9})?s$)"}};
  }
  if (name == "google.protobuf.Value") return {{"description", "Any JSON."}};
  if (name == "google.protobuf.Any") {
    return {{"type", "object"},
            {"properties", {{"@type", {{"type", "string"}}}}},
            {"required", nlohmann::json::array({"@type"})}};
  }
  return nullptr;
}

}  // namespace

ProtoSchemas::ProtoSchemas() {
  google::protobuf::FileDescriptorSet files;
  for (const auto& [name, bytes] : EmbeddedProtos()) files.ParseFromString(bytes);
  for (const google::protobuf::FileDescriptorProto& file : files.file()) pool_.BuildFile(file);
}

nlohmann::json ProtoSchemas::Of(const std::string& name) {
  if (const EnumDescriptor* const choices = pool_.FindEnumTypeByName(name)) return Refer(*choices);
  return Refer(*pool_.FindMessageTypeByName(name));
}

nlohmann::json ProtoSchemas::Refer(const Descriptor& message) {
  if (nlohmann::json known = WellKnown(message.full_name()); !known.is_null()) return known;
  const nlohmann::json reference = {{"$ref", "#/components/schemas/" + message.full_name()}};
  if (schemas_.contains(message.full_name())) return reference;
  schemas_[message.full_name()] = nullptr;  // one that holds itself refers to itself
  nlohmann::json properties = nlohmann::json::object();
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    nlohmann::json schema = OfField(field);
    if (const std::string comment = CommentOn(field); !comment.empty()) schema["description"] = comment;
    properties[field.json_name()] = std::move(schema);
  }
  schemas_[message.full_name()] = {
      {"type", "object"}, {"description", CommentOn(message)}, {"properties", std::move(properties)}};
  return reference;
}

nlohmann::json ProtoSchemas::Refer(const EnumDescriptor& choices) {
  const nlohmann::json reference = {{"$ref", "#/components/schemas/" + choices.full_name()}};
  if (schemas_.contains(choices.full_name())) return reference;
  nlohmann::json names = nlohmann::json::array();
  std::string description = CommentOn(choices);
  for (int i = 0; i < choices.value_count(); ++i) {
    names.push_back(choices.value(i)->name());
    description += " " + choices.value(i)->name() + ": " + CommentOn(*choices.value(i));
  }
  schemas_[choices.full_name()] = {
      {"type", "string"}, {"description", std::move(description)}, {"enum", std::move(names)}};
  return reference;
}

nlohmann::json ProtoSchemas::OfField(const FieldDescriptor& field) {
  if (field.is_map()) {
    return {{"type", "object"}, {"additionalProperties", OfValue(*field.message_type()->map_value())}};
  }
  if (field.is_repeated()) return {{"type", "array"}, {"items", OfValue(field)}};
  return OfValue(field);
}

nlohmann::json ProtoSchemas::OfValue(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return Refer(*field.message_type());
    case FieldDescriptor::CPPTYPE_ENUM:
      return Refer(*field.enum_type());
    case FieldDescriptor::CPPTYPE_BOOL:
      return {{"type", "boolean"}};
    case FieldDescriptor::CPPTYPE_DOUBLE:
    case FieldDescriptor::CPPTYPE_FLOAT:
      return {{"type", "number"}};
    case FieldDescriptor::CPPTYPE_INT32:
      return {{"type", "integer"},
              {"minimum", std::numeric_limits<int32_t>::min()},
              {"maximum", std::numeric_limits<int32_t>::max()}};
    case FieldDescriptor::CPPTYPE_UINT32:
      return {{"type", "integer"}, {"minimum", 0}, {"maximum", std::numeric_limits<uint32_t>::max()}};
    case FieldDescriptor::CPPTYPE_INT64:
      return {{"type", "string"}, {"pattern", "^-?[0-9]{1,19}$"}};
    case FieldDescriptor::CPPTYPE_UINT64:
      return {{"type", "string"}, {"pattern", "^[0-9]{1,20}$"}};
    case FieldDescriptor::CPPTYPE_STRING:
      if (field.type() == FieldDescriptor::TYPE_BYTES)
        return {{"type", "string"}, {"contentEncoding", "base64"}};
      return {{"type", "string"}};
  }
  return {};
}

}  // namespace mind::server
