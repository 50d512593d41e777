// Finished pictures over HTTP.
//
//   GET /v1/jobs/{id}/images/{index}   the caller's own
//   GET /v1/files/{id}/{index}?…       whose link the caller has (signed_links.h)
//
// A picture has an ETag, and comes in ranges where asked for.
#ifndef MIND_SERVER_HTTP_PICTURES_H_
#define MIND_SERVER_HTTP_PICTURES_H_

#include "server/http/face.h"
#include "server/http/router.h"

namespace mind::server {

// `context` must outlive the router.
void AddPictures(const FaceContext& context, Router& router);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_PICTURES_H_
