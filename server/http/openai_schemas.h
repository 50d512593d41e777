// The schemas of OpenAI's Images API, as far as we take it.
#ifndef MIND_SERVER_HTTP_OPENAI_SCHEMAS_H_
#define MIND_SERVER_HTTP_OPENAI_SCHEMAS_H_

#include "server/http/router.h"

namespace mind::server {

// OpenAiGeneration, OpenAiEdit, OpenAiEditForm, OpenAiImages, OpenAiModel, OpenAiModels, OpenAiError.
void DescribeOpenAi(Router& router);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_OPENAI_SCHEMAS_H_
