// A stream that tells KEDA whether a model has work: once at the start, and at every change.
#ifndef MIND_SERVER_SCALE_ACTIVITY_STREAM_H_
#define MIND_SERVER_SCALE_ACTIVITY_STREAM_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "externalscaler/externalscaler.pb.h"
#include "server/generation/ledger.h"
#include "server/generation/metrics.h"
#include "server/trust/standing_call.h"

namespace mind::server {

// The reactor of one call. gRPC's callbacks only post to the loop, where all else is. It keeps itself alive
// until gRPC has let go of it (OnDone).
class ActivityStream final : public grpc::ServerWriteReactor<externalscaler::IsActiveResponse>,
                             public std::enable_shared_from_this<ActivityStream> {
 public:
  // From any thread. `begin` and `gone` are run on the loop: when it may be told things, and when no more.
  static ActivityStream* Start(Post post, std::string model, StandingCall standing,
                               prometheus::Gauge& open_calls,
                               std::function<void(const std::shared_ptr<ActivityStream>&)> begin,
                               std::function<void(const std::shared_ptr<ActivityStream>&)> gone);

  // --- On the loop.
  const std::string& model() const { return model_; }
  // What holds now. Ends the stream if its key holds no more.
  void Tell(bool active);
  // Nothing is told any more.
  void End(const absl::Status& status);

  // --- gRPC's.
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ActivityStream(Post post, std::string model, StandingCall standing, prometheus::Gauge& open_calls);
  void Go();

  const Post post_;
  const std::string model_;
  const OpenCall open_call_;
  std::function<void(const std::shared_ptr<ActivityStream>&)> gone_;
  // The loop's.
  StandingCall standing_;
  std::optional<bool> told_;
  bool now_ = false;
  bool writing_ = false;
  std::optional<absl::Status> end_;
  bool finished_ = false;
  externalscaler::IsActiveResponse written_;  // gRPC's while it writes
  std::shared_ptr<ActivityStream> self_;
};

}  // namespace mind::server

#endif  // MIND_SERVER_SCALE_ACTIVITY_STREAM_H_
