// Messages as protobuf's JSON: https://protobuf.dev/programming-guides/json/
#ifndef MIND_SERVER_HTTP_PROTO_JSON_H_
#define MIND_SERVER_HTTP_PROTO_JSON_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "server/http/message.h"

namespace mind::server {

std::string ToJson(const google::protobuf::Message& message);
// Reads it into the message. What is wrong with it, in a caller's words: not JSON, an unknown field, a value
// of another type; empty: nothing.
std::string ReadJson(const std::string& json, google::protobuf::Message* message);
// The same of a request's body: INVALID_ARGUMENT names what is wrong: not JSON, an unknown field, a value of
// another type.
absl::Status FromJson(const std::string& json, google::protobuf::Message* message);
// An answer with the message.
HttpResponse JsonResponse(const google::protobuf::Message& message, int status = 200);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_PROTO_JSON_H_
