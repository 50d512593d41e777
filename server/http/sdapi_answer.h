// The answer to txt2img and img2img, put together from what happens to the job.
#ifndef MIND_SERVER_HTTP_SDAPI_ANSWER_H_
#define MIND_SERVER_HTTP_SDAPI_ANSWER_H_

#include <functional>
#include <memory>

#include "server/http/face.h"
#include "server/http/sdapi_request.h"
#include "server/http/sdapi_tasks.h"

namespace mind::server {

// Keeps the task up to date, and ends it with the call. `interrupt` cancels the task's job; called on the
// loop once the job is known, if the task was interrupted before that. An interrupted call answers with the
// pictures that are done.
std::unique_ptr<JobCall::Listener> NewSdapiAnswer(const ExchangePtr& exchange, SdapiRequest request,
                                                  std::shared_ptr<SdapiTasks> tasks, SdapiTaskPtr task,
                                                  std::function<void()> interrupt);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SDAPI_ANSWER_H_
