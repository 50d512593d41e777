// What a route takes and answers, in words of OpenAPI, said where the route is added: the document that
// clients read (openapi.h) is made of these alone.
#ifndef MIND_SERVER_HTTP_OPERATION_H_
#define MIND_SERVER_HTTP_OPERATION_H_

#include <string>
#include <vector>

namespace mind::server {

// A schema: the full name of a message, which stands for its protobuf JSON ("mind.v1.Job"); "#Name", which
// was given to Router::Describe; or a JSON Schema itself, as text that begins with '{'.
using SchemaText = std::string;

struct Parameter {
  std::string in;    // "path", "query" or "header"
  std::string name;  // in a path, what stands in the pattern's braces
  SchemaText schema;
  std::string description = "";
  // deepObject: of an object {"a": "b"} as name[a]=b. Empty: as usual.
  std::string style = "";
};

struct Body {
  std::string content_type;
  SchemaText schema;  // empty: bytes
};

struct Reply {
  int status = 200;
  std::string description;
  std::vector<Body> bodies = {};  // one of them; empty: no body
};

struct Operation {
  std::string
      id;  // one word, the function's name in generated clients: "createJob". Empty: it is not told of
  std::string tag;      // the face
  std::string summary;  // a line
  std::string description = "";
  std::vector<Parameter> parameters = {};
  std::vector<Body> takes = {};  // one of them; empty: no body
  std::vector<Reply> answers = {};
  SchemaText error = "#Error";        // the body of refusals
  std::vector<int> refusals = {400};  // their statuses, beside those that any route may answer with
};

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_OPERATION_H_
