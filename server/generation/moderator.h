// Who says whether a request or a picture is allowed, where an operator wants that said.
#ifndef MIND_SERVER_GENERATION_MODERATOR_H_
#define MIND_SERVER_GENERATION_MODERATOR_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "mind/v1/moderation.pb.h"
#include "proto/support/trace_context.h"

namespace mind::server {

// Reasons of refusals: it is not allowed; nobody has said whether it is.
inline constexpr char kModerationBlocked[] = "MODERATION_BLOCKED";
inline constexpr char kModerationUnavailable[] = "MODERATION_UNAVAILABLE";

class Moderator {
 public:
  // OK: it goes on. INVALID_ARGUMENT with kModerationBlocked: it does not, nor will the same later.
  // UNAVAILABLE with kModerationUnavailable: ask again.
  using Done = std::function<void(const absl::Status& verdict)>;

  virtual ~Moderator() = default;

  // Nobody waits: `done` is called once, from any thread, or before these return. What is asked about is not
  // touched before that, and is the caller's again then.
  virtual void CheckPrompt(std::shared_ptr<const v1::CheckPromptRequest> request, const TraceHeaders& trace,
                           Done done) = 0;
  virtual void CheckImage(std::shared_ptr<const v1::CheckImageRequest> request, const TraceHeaders& trace,
                          Done done) = 0;
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_MODERATOR_H_
