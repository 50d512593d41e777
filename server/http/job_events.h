// A job's events as server-sent events, for GET /v1/jobs/{id}/events.
#ifndef MIND_SERVER_HTTP_JOB_EVENTS_H_
#define MIND_SERVER_HTTP_JOB_EVENTS_H_

#include <memory>

#include "server/http/event_encodings.h"
#include "server/http/face.h"

namespace mind::server {

// Each event has the name of its kind (queued, waiting, started, stage, progress, preview, image, completed),
// its sequence number as id, and a JobEvent in JSON as data. Pictures themselves are left out: `image` says
// which is done, and where it is. An error before the first event is the answer's; one after it comes as an
// event `error`.
std::unique_ptr<JobCall::Listener> NewJobEvents(const ExchangePtr& exchange,
                                                std::shared_ptr<EventEncodings> encodings);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_JOB_EVENTS_H_
