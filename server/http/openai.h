// OpenAI's Images API and its list of models, as its clients speak them.
//
//   POST /v1/images/generations   POST /v1/images/edits   GET /v1/models   GET /v1/models/{id}
//
// Errors: {"error": {"message", "type", "param", "code"}}. A call whose caller goes away cancels its job.
#ifndef MIND_SERVER_HTTP_OPENAI_H_
#define MIND_SERVER_HTTP_OPENAI_H_

#include "absl/status/status.h"
#include "server/http/face.h"
#include "server/http/router.h"

namespace mind::server {

// `context` must outlive the router.
void AddOpenAiFace(const FaceContext& context, Router& router);

// An error as OpenAI's clients read it.
HttpResponse OpenAiError(const absl::Status& error);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_OPENAI_H_
