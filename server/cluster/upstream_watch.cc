#include "server/cluster/upstream_watch.h"

#include <utility>

#include "proto/support/errors.h"
#include "server/cluster/leader_calls.h"

namespace mind::server {

UpstreamWatch::UpstreamWatch(LeaderLinkPtr leader, internal::v1::WatchRequest request, Post post,
                             InFlight& in_flight, Listener listener)
    : leader_(std::move(leader)),
      request_(std::move(request)),
      post_(std::move(post)),
      token_(in_flight.Begin()),
      listener_(std::move(listener)) {}

std::shared_ptr<UpstreamWatch> UpstreamWatch::Start(const LeaderLinkPtr& leader, const Caller& caller,
                                                    internal::v1::WatchRequest request, const Post& post,
                                                    InFlight& in_flight, Listener listener) {
  const std::shared_ptr<UpstreamWatch> watch(
      new UpstreamWatch(leader, std::move(request), post, in_flight, std::move(listener)));
  watch->self_ = watch;
  LeaderCalls::Prepare(watch->context_, *leader, caller);
  leader->cluster->async()->Watch(&watch->context_, &watch->request_, watch.get());
  watch->AddHold();  // reads are begun from the loop
  watch->StartRead(&watch->response_);
  watch->StartCall();
  return watch;
}

void UpstreamWatch::Stop() {
  stopped_ = true;
  context_.TryCancel();
}

void UpstreamWatch::OnReadDone(bool ok) {
  if (!ok) return RemoveHold();
  post_([watch = shared_from_this()] { watch->Take(std::move(*watch->response_.mutable_event())); });
}

void UpstreamWatch::Take(v1::JobEvent event) {
  if (!stopped_) listener_.event(std::move(event));
  response_.Clear();
  StartRead(&response_);
}

void UpstreamWatch::OnDone(const grpc::Status& status) {
  // What it keeps alive goes on the loop; what waits for it goes on now.
  const std::shared_ptr<void> token = std::move(token_);
  post_([watch = std::move(self_), status = FromGrpc(status)] {
    if (!watch->stopped_) watch->listener_.ended(status);
  });
}

}  // namespace mind::server
