// How much work there is for a model's workers: what scalers are told.
#ifndef MIND_SERVER_GENERATION_MODEL_WORK_H_
#define MIND_SERVER_GENERATION_MODEL_WORK_H_

#include "mind/internal/v1/cluster.pb.h"
#include "server/dispatch/dispatcher.h"

namespace mind::server {

// Of every model of which something waits or runs.
internal::v1::ListWorkResponse WorkOf(const Dispatcher& dispatcher);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_MODEL_WORK_H_
