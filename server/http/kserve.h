// Health and models as KServe's v2 protocol asks for them, for probes and platforms. Tensors are not taken:
// what is made here is asked for in prompts.
// https://kserve.github.io/website/latest/modelserving/data_plane/v2_protocol/
//
//   GET /v2                     the server
//   GET /v2/health/live         it runs
//   GET /v2/health/ready        some worker serves a model: 200, else 503
//   GET /v2/models/{m}          the model
//   GET /v2/models/{m}/ready    some worker serves it: 200, else 503
#ifndef MIND_SERVER_HTTP_KSERVE_H_
#define MIND_SERVER_HTTP_KSERVE_H_

#include "server/http/face.h"
#include "server/http/router.h"

namespace mind::server {

// `context` must outlive the router.
void AddKserveFace(const FaceContext& context, Router& router);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_KSERVE_H_
