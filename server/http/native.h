// The server's own face over HTTP: jobs, models, samplers and workers in protobuf's JSON of mind.v1's
// messages, a job's events as server-sent events.
//
//   POST   /v1/jobs                 a JobRequest; 202 and the Job, whose path is in Location.
//                                   ?validate_only=true: CreateJobResponse
//   GET    /v1/jobs                 ?page_size, page_token, state, labels[…]: ListJobsResponse
//   GET    /v1/jobs/{id}            the Job
//   DELETE /v1/jobs/{id}            forgets it, having cancelled it if need be; the Job as it ended
//   POST   /v1/jobs/{id}/cancel     ends it; the Job as it then is
//   GET    /v1/jobs/{id}/events     JobEvents; Last-Event-ID or ?after_sequence goes on from there
//   GET    /v1/jobs/{id}/images/{i}, /v1/files/…   pictures: pictures.h
//   GET    /v1/samplers?model=      ListSamplersResponse
//   GET    /v1/workers              ListWorkersResponse
//
// Errors: status.h. The header Idempotency-Key is the request_id.
#ifndef MIND_SERVER_HTTP_NATIVE_H_
#define MIND_SERVER_HTTP_NATIVE_H_

#include "server/http/face.h"
#include "server/http/router.h"

namespace mind::server {

// `context` must outlive the router.
void AddNativeFace(const FaceContext& context, Router& router);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_NATIVE_H_
