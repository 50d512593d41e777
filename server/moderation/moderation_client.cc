#include "server/moderation/moderation_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/message_size.h"

namespace mind::server {
namespace {

constexpr size_t kMaxCategory = 64;
constexpr absl::Duration kAskAgain = absl::Seconds(5);

// What a caller is told of a category: it stands in errors and logs.
std::string Plain(const std::string& category) {
  std::string plain = category.substr(0, kMaxCategory);
  std::replace_if(
      plain.begin(), plain.end(),
      [](unsigned char c) { return !absl::ascii_isalnum(c) && c != '-' && c != '_' && c != '.' && c != '/'; },
      '?');
  return plain;
}

std::shared_ptr<grpc::Channel> Dial(const ModerationClient::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  // A service that is back is asked again soon, not in two minutes.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(options.address, options.credentials, arguments);
}

absl::StatusOr<v1::Verdict> AnswerOf(const grpc::Status& status, const v1::Verdict& verdict) {
  if (!status.ok()) return FromGrpc(status);
  if (verdict.decision() == v1::DECISION_ALLOWED || verdict.decision() == v1::DECISION_REFUSED)
    return verdict;
  return absl::InternalError("the service's answer holds no decision");
}

const char* OutcomeOf(const absl::StatusOr<v1::Verdict>& answer) {
  if (!answer.ok()) return "failed";
  return answer->decision() == v1::DECISION_ALLOWED ? "allowed" : "refused";
}

}  // namespace

ModerationClient::ModerationClient(const Options& options, prometheus::Registry& registry)
    : options_(options),
      prompts_counted_(
          CounterFamily(registry, "mind_moderated_prompts_total", "Prompts that moderation was asked about"),
          "outcome"),
      pictures_counted_(
          CounterFamily(registry, "mind_moderated_images_total", "Pictures that moderation was asked about"),
          "outcome"),
      stub_(v1::ModerationService::NewStub(Dial(options))),
      prompts_({.at_once = options.prompts_at_once, .timeout = options.timeout, .persistent = false}),
      pictures_({.at_once = options.pictures_at_once, .timeout = options.timeout, .persistent = true}) {}

ModerationClient::~ModerationClient() = default;

absl::Status ModerationClient::VerdictOf(const std::string& what, const absl::StatusOr<v1::Verdict>& answer) {
  if (!answer.ok()) {
    LogWarning("moderation has not answered", {{"about", what},
                                               {"allowed", options_.open},
                                               {"error", Printable(std::string(answer.status().message()))}});
    if (options_.open) return absl::OkStatus();
    return WithRetry(MakeError(absl::StatusCode::kUnavailable,
                               absl::StrCat("whether the ", what, " is allowed cannot be said just now"),
                               kModerationUnavailable, {{"subject", what}}),
                     kAskAgain);
  }
  if (answer->decision() == v1::DECISION_ALLOWED) return absl::OkStatus();
  const std::string category = Plain(answer->category());
  ErrorMetadata facts = {{"subject", what}};
  if (!category.empty()) facts["category"] = category;
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("the ", what, " was refused by moderation",
                                category.empty() ? "" : absl::StrCat(": ", category)),
                   kModerationBlocked, facts);
}

void ModerationClient::CheckPrompt(std::shared_ptr<const v1::CheckPromptRequest> request,
                                   const TraceHeaders& trace, Done done) {
  const auto response = std::make_shared<v1::CheckPromptResponse>();
  prompts_.Ask(
      trace,
      [this, request, response](grpc::ClientContext* context, std::function<void(grpc::Status)> ended) {
        stub_->async()->CheckPrompt(context, request.get(), response.get(), std::move(ended));
      },
      [this, response, done = std::move(done)](const grpc::Status& status) {
        const absl::StatusOr<v1::Verdict> answer = AnswerOf(status, response->verdict());
        prompts_counted_[OutcomeOf(answer)].Increment();
        done(VerdictOf("prompt", answer));
      });
}

void ModerationClient::CheckImage(std::shared_ptr<const v1::CheckImageRequest> request,
                                  const TraceHeaders& trace, Done done) {
  const auto response = std::make_shared<v1::CheckImageResponse>();
  pictures_.Ask(
      trace,
      [this, request, response](grpc::ClientContext* context, std::function<void(grpc::Status)> ended) {
        stub_->async()->CheckImage(context, request.get(), response.get(), std::move(ended));
      },
      [this, response, done = std::move(done)](const grpc::Status& status) {
        const absl::StatusOr<v1::Verdict> answer = AnswerOf(status, response->verdict());
        pictures_counted_[OutcomeOf(answer)].Increment();
        done(VerdictOf("picture", answer));
      });
}

}  // namespace mind::server
