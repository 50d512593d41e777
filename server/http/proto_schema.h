// JSON Schemas of protobuf messages as their JSON is, with their comments: from their descriptors.
#ifndef MIND_SERVER_HTTP_PROTO_SCHEMA_H_
#define MIND_SERVER_HTTP_PROTO_SCHEMA_H_

#include <google/protobuf/descriptor.h>

#include <map>
#include <string>

#include "nlohmann/json.hpp"

namespace mind::server {

// Collects the schemas of messages and of all that they hold, by full name.
class ProtoSchemas {
 public:
  ProtoSchemas();

  // A reference to the schema of a message or an enumeration. REQUIRES: it is one of mind.v1's, or of those
  // in them.
  nlohmann::json Of(const std::string& name);
  // All that has been referred to, for components/schemas.
  const nlohmann::json& all() const { return schemas_; }

 private:
  nlohmann::json Refer(const google::protobuf::Descriptor& message);
  nlohmann::json Refer(const google::protobuf::EnumDescriptor& choices);
  nlohmann::json OfField(const google::protobuf::FieldDescriptor& field);
  nlohmann::json OfValue(const google::protobuf::FieldDescriptor& field);

  google::protobuf::DescriptorPool pool_;
  nlohmann::json schemas_ = nlohmann::json::object();
};

// The protos with their comments, as a serialized google.protobuf.FileDescriptorSet: "mind.binpb". Made by
// the build (embed.cmake).
std::map<std::string, std::string> EmbeddedProtos();

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_PROTO_SCHEMA_H_
