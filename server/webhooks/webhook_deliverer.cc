#include "server/webhooks/webhook_deliverer.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/digest.h"
#include "proto/support/http_call.h"
#include "proto/support/logging.h"
#include "proto/support/web_url.h"
#include "server/http/proto_json.h"

namespace mind::server {

namespace asio = boost::asio;

namespace {

constexpr int kAtOnce = 8;  // of one origin

// Empty: it was answered with success.
std::string ProblemOf(const absl::StatusOr<HttpCall::Answer>& answer) {
  if (!answer.ok()) return std::string(answer.status().message());
  const int status = answer->status;
  return status / 100 == 2 ? "" : absl::StrCat("answered with ", status);
}

}  // namespace

// All of it on its own thread.
class WebhookDeliverer::Impl {
 public:
  explicit Impl(const Options& options) : options_(options) {
    tls_.set_default_verify_paths();
    tls_.set_verify_mode(asio::ssl::verify_peer);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~Impl() {
    io_.stop();
    thread_.join();
  }

  void Send(const v1::Job& job, const WebUrl& url, std::weak_ptr<const void> on_behalf_of,
            std::function<void(bool)> settled) {
    asio::post(io_, [this, job, url, on_behalf_of = std::move(on_behalf_of), settled = std::move(settled)] {
      Enter(std::make_shared<Delivery>(Delivery{.id = job.id(),
                                                .url = url,
                                                .body = ToJson(job),
                                                .on_behalf_of = on_behalf_of,
                                                .settled = settled}));
    });
  }

 private:
  // A job whose end is to be told.
  struct Delivery {
    std::string id;
    WebUrl url;
    std::string body;
    std::weak_ptr<const void> on_behalf_of;
    std::function<void(bool)> settled;
    int attempts = 0;
  };
  using DeliveryPtr = std::shared_ptr<Delivery>;

  // What one origin has under way, and what waits for that.
  struct Origin {
    int open = 0;
    std::deque<DeliveryPtr> waiting;
  };

  void Enter(const DeliveryPtr& delivery) {
    Origin& origin = origins_[delivery->url.Origin()];
    origin.waiting.push_back(delivery);
    Begin(origin);
  }

  void Begin(Origin& origin) {
    while (origin.open < kAtOnce && !origin.waiting.empty()) {
      const DeliveryPtr delivery = std::move(origin.waiting.front());
      origin.waiting.pop_front();
      if (delivery->on_behalf_of.expired()) continue;
      ++origin.open;
      ++delivery->attempts;
      HttpCall::Start(io_, tls_, delivery->url, RequestOf(*delivery), {.limit = options_.limit},
                      [this, delivery](const absl::StatusOr<HttpCall::Answer>& answer) {
                        Attempted(delivery, ProblemOf(answer));
                      });
    }
  }

  HttpCall::Request RequestOf(const Delivery& delivery) const {
    const int64_t now = absl::ToUnixSeconds(absl::Now());
    return {.method = "POST",
            .fields = {{"Content-Type", "application/json"},
                       {"webhook-id", delivery.id},
                       {"webhook-timestamp", absl::StrCat(now)},
                       {"webhook-signature",
                        WebhookSignature(options_.secrets, delivery.id, now, delivery.body)}},
            .body = delivery.body};
  }

  void Attempted(const DeliveryPtr& delivery, const std::string& problem) {
    Origin& origin = origins_[delivery->url.Origin()];
    --origin.open;
    Begin(origin);
    if (delivery->on_behalf_of.expired()) return;
    if (problem.empty()) return delivery->settled(true);
    const bool last = delivery->attempts >= options_.attempts;
    LogFields fields = {{"job", delivery->id}, {"attempt", delivery->attempts}, {"error", problem}};
    if (last) {
      LogError("a job's end could not be told", fields);
      return delivery->settled(false);
    }
    LogWarning("a job's end has not been told yet", fields);
    const auto timer = std::make_shared<asio::steady_timer>(io_);
    timer->expires_after(absl::ToChronoNanoseconds(PauseAfter(delivery->attempts)));
    timer->async_wait([this, delivery, timer](const boost::system::error_code& error) {
      if (!error) Enter(delivery);
    });
  }

  absl::Duration PauseAfter(int attempts) const {
    absl::Duration pause = options_.first_pause;
    for (int i = 1; i < attempts && pause < options_.longest_pause; ++i) pause *= 2;
    return std::min(pause, options_.longest_pause);
  }

  const Options options_;
  asio::io_context io_{1};
  const asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  std::map<std::string, Origin> origins_;
  std::thread thread_;
};

absl::StatusOr<std::unique_ptr<WebhookDeliverer>> WebhookDeliverer::For(
    const std::vector<std::string>& origins, const std::string& secret_file) {
  for (const std::string& origin : origins) {
    const std::optional<WebUrl> url = ParseWebUrl(origin);
    if (url && url->target == "/") continue;
    return absl::InvalidArgumentError(
        absl::StrCat("--webhooks: \"", origin, "\" is not an origin, such as https://studio.example"));
  }
  if (secret_file.empty()) {
    return absl::InvalidArgumentError(
        "--webhooks needs --webhook-secret-file: what is told has to be signed");
  }
  absl::StatusOr<std::vector<std::string>> secrets = ReadWebhookSecrets(secret_file);
  if (!secrets.ok()) return secrets.status();
  return std::make_unique<WebhookDeliverer>(Options{.secrets = *std::move(secrets)});
}

WebhookDeliverer::WebhookDeliverer(const Options& options) : impl_(std::make_unique<Impl>(options)) {}
WebhookDeliverer::~WebhookDeliverer() = default;

void WebhookDeliverer::Send(const v1::Job& job, std::weak_ptr<const void> on_behalf_of,
                            std::function<void(bool delivered)> settled) {
  const std::optional<WebUrl> url = ParseWebUrl(job.webhook_url());
  // One that an earlier run has taken is one that this one takes apart in the same way.
  if (!url) return settled(false);
  impl_->Send(job, *url, std::move(on_behalf_of), std::move(settled));
}

std::string WebhookSignature(const std::vector<std::string>& secrets, const std::string& id, int64_t seconds,
                             const std::string& body) {
  const std::string text = absl::StrCat(id, ".", seconds, ".", body);
  std::string signatures;
  for (const std::string& secret : secrets) {
    absl::StrAppend(&signatures, signatures.empty() ? "" : " ", "v1,",
                    absl::Base64Escape(HmacSha256(secret, text)));
  }
  return signatures;
}

}  // namespace mind::server
