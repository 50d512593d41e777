// The API of AUTOMATIC1111's web UI, as the programs speak it that use one: Open WebUI, LibreChat,
// SillyTavern. https://github.com/AUTOMATIC1111/stable-diffusion-webui/wiki/API
//
//   POST /sdapi/v1/txt2img, img2img   pictures; a caller who goes away cancels the job
//   GET  /sdapi/v1/progress           of the caller's newest call; ?id_task=: of the one with that
//   force_task_id POST /sdapi/v1/interrupt, skip    ends such a call, which answers with the pictures that
//   are done POST /internal/progress           {id_task}: progress as the web UI itself asks for it GET, POST
//   /sdapi/v1/options       the model and clip skip of a caller's requests that name none POST
//   /sdapi/v1/png-info           what a PNG says of how it was made GET  /sdapi/v1/sd-models, samplers,
//   schedulers, loras, and lists that are empty here
//
// Errors: sdapi_error.h.
#ifndef MIND_SERVER_HTTP_SDAPI_H_
#define MIND_SERVER_HTTP_SDAPI_H_

#include "server/http/face.h"
#include "server/http/router.h"

namespace mind::server {

// `context` must outlive the router.
void AddSdapiFace(const FaceContext& context, Router& router);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SDAPI_H_
