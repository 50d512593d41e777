// Tells of jobs' ends by webhooks, signed as Standard Webhooks are: https://www.standardwebhooks.com
#ifndef MIND_SERVER_WEBHOOKS_WEBHOOK_DELIVERER_H_
#define MIND_SERVER_WEBHOOKS_WEBHOOK_DELIVERER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/generation/webhook.h"

namespace mind::server {

// One thread of its own, on which many deliveries wait; of one origin a few are under way at a time. A
// delivery that is not answered with success is repeated after pauses that grow, each time with the same
// webhook-id and signed anew, and given up after the last. What is not settled when the deliverer goes, or
// whoever has something told, is the store's to remember.
class WebhookDeliverer : public WebhookSender {
 public:
  struct Options {
    std::vector<std::string> secrets;               // bytes; signed with each. REQUIRES: at least one
    absl::Duration limit = absl::Seconds(15);       // of one attempt
    absl::Duration first_pause = absl::Seconds(5);  // doubled each time
    absl::Duration longest_pause = absl::Minutes(10);
    int attempts = 12;  // about an hour in all
  };

  // For origins as a flag gives them, with the secrets of that file. INVALID_ARGUMENT says what is wrong.
  static absl::StatusOr<std::unique_ptr<WebhookDeliverer>> For(const std::vector<std::string>& origins,
                                                               const std::string& secret_file);

  explicit WebhookDeliverer(const Options& options);
  ~WebhookDeliverer() override;
  WebhookDeliverer(const WebhookDeliverer&) = delete;
  WebhookDeliverer& operator=(const WebhookDeliverer&) = delete;

  void Send(const v1::Job& job, std::weak_ptr<const void> on_behalf_of,
            std::function<void(bool delivered)> settled) override;

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

// "v1,…" for each secret, with spaces between.
std::string WebhookSignature(const std::vector<std::string>& secrets, const std::string& id, int64_t seconds,
                             const std::string& body);

// The secrets of a file: one or two lines "whsec_" and base64 of 24 to 64 bytes, the newest first; where one
// takes the place of another, receivers know either. INVALID_ARGUMENT says what is wrong with it.
absl::StatusOr<std::vector<std::string>> ReadWebhookSecrets(const std::string& path);

}  // namespace mind::server

#endif  // MIND_SERVER_WEBHOOKS_WEBHOOK_DELIVERER_H_
