// What A1111's img2img asks for beside what txt2img does: a picture to begin with, others that a
// model goes by, and a mask.
#ifndef MIND_SERVER_HTTP_SDAPI_SOURCE_H_
#define MIND_SERVER_HTTP_SDAPI_SOURCE_H_

#include "mind/v1/image.pb.h"
#include "server/http/json_fields.h"

namespace mind::server {

// Refuses by name what we cannot do, as ParseImg2Img does.
void ReadSdapiSource(JsonFields& fields, v1::ImageSpec& spec);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SDAPI_SOURCE_H_
