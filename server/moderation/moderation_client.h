// Asks an operator's own service whether prompts and pictures are allowed (mind/v1/moderation.proto).
#ifndef MIND_SERVER_MODERATION_MODERATION_CLIENT_H_
#define MIND_SERVER_MODERATION_MODERATION_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/moderation.grpc.pb.h"
#include "proto/support/labelled_metric.h"
#include "server/generation/moderator.h"
#include "server/moderation/questions.h"

namespace mind::server {

// Thread-safe. So many questions of a kind are under way at once, the others wait in line; each is answered
// in time, whatever becomes of the service. Questions about pictures wait for a service that is away and are
// asked again if it goes, for work has gone into them; those about prompts are not.
class ModerationClient : public Moderator {
 public:
  struct Options {
    std::shared_ptr<grpc::ChannelCredentials> credentials;  // REQUIRES: set
    std::string address;                                    // HOST:PORT
    absl::Duration timeout = absl::Seconds(5);              // from question to verdict, waiting in line too
    bool open = false;                                      // what is not answered is allowed, not refused
    size_t prompts_at_once = 32;
    size_t pictures_at_once = 8;
  };

  // `registry` gets what it counts.
  ModerationClient(const Options& options, prometheus::Registry& registry);
  // Questions that are under way end, as if the service had gone.
  ~ModerationClient() override;

  void CheckPrompt(std::shared_ptr<const v1::CheckPromptRequest> request, const TraceHeaders& trace,
                   Done done) override;
  void CheckImage(std::shared_ptr<const v1::CheckImageRequest> request, const TraceHeaders& trace,
                  Done done) override;

 private:
  // What becomes of an answer.
  absl::Status VerdictOf(const std::string& what, const absl::StatusOr<v1::Verdict>& answer);

  const Options options_;
  LabelledCounter prompts_counted_, pictures_counted_;  // by outcome
  const std::unique_ptr<v1::ModerationService::Stub> stub_;
  Questions prompts_, pictures_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_MODERATION_MODERATION_CLIENT_H_
