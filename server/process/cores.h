// The core that the command line asks for.
#ifndef MIND_SERVER_PROCESS_CORES_H_
#define MIND_SERVER_PROCESS_CORES_H_

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "proto/support/span.h"
#include "server/generation/ledger.h"
#include "server/generation/metrics.h"
#include "server/moderation/moderation_client.h"
#include "server/process/core.h"
#include "server/process/flags.h"
#include "server/process/server_tls.h"
#include "server/process/trust.h"
#include "server/webhooks/webhook_deliverer.h"

namespace mind::server {

// Who tells of jobs' ends; null where the command line allows nobody to be told.
absl::StatusOr<std::unique_ptr<WebhookDeliverer>> OpenWebhooks(const Flags& flags);

// Who says what is allowed; null where the command line names nobody. `metrics` must outlive it.
absl::StatusOr<std::unique_ptr<ModerationClient>> OpenModeration(const Flags& flags, ServerMetrics& metrics);

// Whom the service asks and tells beside its callers and workers; each may be null.
struct Outside {
  WebhookSender* webhooks = nullptr;
  Moderator* moderator = nullptr;
  SpanSink* spans = nullptr;
};

// Told from any thread, once or more: the process cannot go on, and why.
using GiveUp = std::function<void(const absl::Status& why)>;

// A front where --store names a database, which may come later, else a server that is alone with files in
// --data, for which it waits. `post`: to the loop, which need not run yet. `tls`, what is
// `outside`, `trust` and `metrics` must outlive it.
absl::StatusOr<std::unique_ptr<Core>> MakeCore(const Flags& flags, const Post& post, const ServerTls& tls,
                                               const Outside& outside, const GiveUp& give_up, Trust& trust,
                                               ServerMetrics& metrics);

}  // namespace mind::server

#endif  // MIND_SERVER_PROCESS_CORES_H_
