// What A1111's routes say of themselves.
#ifndef MIND_SERVER_HTTP_SDAPI_SCHEMAS_H_
#define MIND_SERVER_HTTP_SDAPI_SCHEMAS_H_

#include <string>

#include "server/http/router.h"

namespace mind::server {

// SdapiRequest, SdapiImages, SdapiError.
void DescribeSdapi(Router& router);

// Of "GET /sdapi/v1/sd-models", say: what it takes and answers, as far as its clients have to know. Empty for
// a route that is not known here.
Operation SdapiOperation(const std::string& method, const std::string& path);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SDAPI_SCHEMAS_H_
