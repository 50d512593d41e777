// The answers of OpenAI's Images API: all pictures at once, or as they form.
#ifndef MIND_SERVER_HTTP_OPENAI_IMAGES_H_
#define MIND_SERVER_HTTP_OPENAI_IMAGES_H_

#include <memory>

#include "server/http/face.h"
#include "server/http/openai_request.h"

namespace mind::server {

// {"created", "data": [{"b64_json"}], …} when the job has ended, or [{"url"}] with links that `caller` and
// whoever gets them may follow for an hour.
std::unique_ptr<JobCall::Listener> NewImagesAnswer(const FaceContext& context, const ExchangePtr& exchange,
                                                   const OpenAiRequest& request, const Caller& caller);

// Server-sent events: `image_generation.partial_image` up to as many as were asked for of each picture, and
// `image_generation.completed` for each picture; with more than one, image_index says which. Edits:
// image_edit.….
std::unique_ptr<JobCall::Listener> NewImagesStream(const ExchangePtr& exchange, const OpenAiRequest& request,
                                                   const std::string& prefix);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_OPENAI_IMAGES_H_
