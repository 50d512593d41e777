// The document of all that is served over HTTP: OpenAPI 3.1, made of what the routes say of themselves.
#ifndef MIND_SERVER_HTTP_OPENAPI_H_
#define MIND_SERVER_HTTP_OPENAPI_H_

#include <string>

#include "server/http/router.h"

namespace mind::server {

// Serves it at /openapi.json, of the routes that have been added before.
void AddOpenApi(Router& router);

// The document itself.
std::string OpenApiDocument(const Router& router);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_OPENAPI_H_
