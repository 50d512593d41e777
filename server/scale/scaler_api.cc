#include "server/scale/scaler_api.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/api/credentials.h"

namespace mind::server {
namespace {

constexpr char kMetric[] = "mind_work_seconds";
// Between two looks at how much work there is, while somebody follows it.
constexpr absl::Duration kLookPause = absl::Milliseconds(250);

std::string ScalerMethod(const std::string& method) {
  return "externalscaler.ExternalScaler/" + method;
}

int64_t RoundedUp(double seconds) {
  return static_cast<int64_t>(std::ceil(seconds));
}

// KEDA says in the message what others say beside it.
Credentials CredentialsIn(const grpc::CallbackServerContext& context,
                          const externalscaler::ScaledObjectRef& object) {
  Credentials credentials = CredentialsOf(context);
  const std::string key = KeyOf(object);
  if (credentials.authorization.empty() && !key.empty()) credentials.authorization = "Bearer " + key;
  return credentials;
}

}  // namespace

absl::StatusOr<ScaleTarget> ScalerApi::TargetOf(const grpc::CallbackServerContext& context,
                                                const std::string& method,
                                                const externalscaler::ScaledObjectRef& object) {
  const absl::StatusOr<Caller> caller =
      authority_.Admit(CredentialsIn(context, object), ScalerMethod(method));
  if (!caller.ok()) return caller.status();
  return ParseScaleTarget(object);
}

grpc::ServerUnaryReactor* ScalerApi::Measure(grpc::CallbackServerContext* context,
                                             const absl::StatusOr<ScaleTarget>& target,
                                             std::function<void(const Demand&)> tell) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (!target.ok()) {
    reactor->Finish(ToGrpc(target.status()));
    return reactor;
  }
  post_([this, reactor, model = target->model, tell = std::move(tell)] {
    work_.Ask([reactor, model, tell](const absl::StatusOr<OutstandingWork::Known>& known) {
      if (known.ok()) tell(DemandOf(model, **known));
      reactor->Finish(ToGrpc(known.status()));
    });
  });
  return reactor;
}

grpc::ServerUnaryReactor* ScalerApi::IsActive(grpc::CallbackServerContext* context,
                                              const externalscaler::ScaledObjectRef* object,
                                              externalscaler::IsActiveResponse* response) {
  return Measure(context, TargetOf(*context, "IsActive", *object),
                 [response](const Demand& demand) { response->set_result(demand.active); });
}

grpc::ServerUnaryReactor* ScalerApi::GetMetrics(grpc::CallbackServerContext* context,
                                                const externalscaler::GetMetricsRequest* request,
                                                externalscaler::GetMetricsResponse* response) {
  absl::StatusOr<ScaleTarget> target = TargetOf(*context, "GetMetrics", request->scaledobjectref());
  if (target.ok() && request->metricname() != kMetric) {
    target = InvalidField(
        "metricName", absl::StrCat("\"", Printable(request->metricname()), "\" is none; ", kMetric, " is"));
  }
  return Measure(context, target, [response](const Demand& demand) {
    externalscaler::MetricValue& value = *response->add_metricvalues();
    value.set_metricname(kMetric);
    value.set_metricvalue(RoundedUp(demand.seconds));
    value.set_metricvaluefloat(demand.seconds);
  });
}

grpc::ServerUnaryReactor* ScalerApi::GetMetricSpec(grpc::CallbackServerContext* context,
                                                   const externalscaler::ScaledObjectRef* object,
                                                   externalscaler::GetMetricSpecResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::StatusOr<ScaleTarget> target = TargetOf(*context, "GetMetricSpec", *object);
  if (target.ok()) {
    externalscaler::MetricSpec& spec = *response->add_metricspecs();
    spec.set_metricname(kMetric);
    spec.set_targetsize(RoundedUp(target->seconds));
    spec.set_targetsizefloat(target->seconds);
  }
  reactor->Finish(ToGrpc(target.status()));
  return reactor;
}

grpc::ServerWriteReactor<externalscaler::IsActiveResponse>* ScalerApi::StreamIsActive(
    grpc::CallbackServerContext* context, const externalscaler::ScaledObjectRef* object) {
  const absl::StatusOr<ScaleTarget> target = TargetOf(*context, "StreamIsActive", *object);
  return ActivityStream::Start(
      post_, target.ok() ? target->model : "",
      StandingCall(authority_, CredentialsIn(*context, *object), ScalerMethod("StreamIsActive")),
      metrics_.open_calls["StreamIsActive"],
      [this, refused = target.status()](const std::shared_ptr<ActivityStream>& stream) {
        if (!refused.ok() || closed_) return stream->End(refused);
        streams_.insert(stream);
        next_look_ = -absl::InfiniteDuration();
      },
      [this](const std::shared_ptr<ActivityStream>& stream) { streams_.erase(stream); });
}

void ScalerApi::OnTick() {
  work_.OnTick();
  if (streams_.empty() || steady_clock_() < next_look_) return;
  next_look_ = steady_clock_() + kLookPause;
  work_.Ask([this](const absl::StatusOr<OutstandingWork::Known>& known) {
    if (!known.ok()) return;  // what was told last stands
    for (const std::shared_ptr<ActivityStream>& stream : streams_) {
      stream->Tell(DemandOf(stream->model(), **known).active);
    }
  });
}

void ScalerApi::Close() {
  closed_ = true;
  // As KEDA takes it: a good end is followed by another stream at once, an error after a growing pause.
  for (const std::shared_ptr<ActivityStream>& stream : streams_) stream->End(absl::OkStatus());
}

}  // namespace mind::server
