// Errors as the programs that speak A1111's API read them.
#ifndef MIND_SERVER_HTTP_SDAPI_ERROR_H_
#define MIND_SERVER_HTTP_SDAPI_ERROR_H_

#include "absl/status/status.h"
#include "server/http/message.h"

namespace mind::server {

// {"error": "INVALID_ARGUMENT", "detail": what is wrong, "body": "", "errors": the same}. A field that is not
// allowed is 422, a sampler that is not known 404.
HttpResponse SdapiError(const absl::Status& error);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SDAPI_ERROR_H_
