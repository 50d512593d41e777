// Who is told of a job's end, and who tells.
#ifndef MIND_SERVER_GENERATION_WEBHOOK_H_
#define MIND_SERVER_GENERATION_WEBHOOK_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "mind/v1/job.pb.h"

namespace mind::server {

// Whether jobs may name this URL, which may be empty. INVALID_ARGUMENT names the origins that are allowed.
absl::Status CheckWebhook(const std::string& url, const std::vector<std::string>& origins);

// Tells them. Thread-safe.
class WebhookSender {
 public:
  virtual ~WebhookSender() = default;
  // Sends the job to its webhook_url until it is answered with success or there is no more hope. Then
  // `settled` is called, once, from any thread. It is given up without a word as soon as `on_behalf_of` is
  // gone: whoever knows of the end by then has it told.
  virtual void Send(const v1::Job& job, std::weak_ptr<const void> on_behalf_of,
                    std::function<void(bool delivered)> settled) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_WEBHOOK_H_
