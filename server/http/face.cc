#include "server/http/face.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/http/credentials.h"
#include "server/http/rate_headers.h"

namespace mind::server {
namespace {

// On the loop, before anything is answered.
void AddWorkerSeconds(const FaceContext& context, Exchange& exchange) {
  if (const auto seconds = context.generation.WorkerSecondsOf(exchange.caller().tenant)) {
    AddRateHeaders(exchange, "seconds", *seconds);
  }
}

}  // namespace

std::string BaseUrl(const FaceContext& context, const HttpRequest& request) {
  if (!context.url.empty()) return context.url;
  const std::string& host = request.Header("host");
  // Of what is no host's name nothing is repeated.
  const bool plain = std::all_of(host.begin(), host.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || absl::StrContains("-._:[]", c);
  });
  return host.empty() || !plain ? "" : absl::StrCat(request.encrypted ? "https://" : "http://", host);
}

void OnLoop(const FaceContext& context, const ExchangePtr& exchange,
            std::function<void(const Caller&)> work) {
  context.post([&context, exchange, work = std::move(work)] {
    AddWorkerSeconds(context, *exchange);
    work(exchange->caller());
  });
}

JobCall::JobCall(const FaceContext& context, const ExchangePtr& exchange, std::unique_ptr<Listener> listener)
    : context_(context),
      listener_(std::move(listener)),
      pump_(EventPump::Create(context.generation, context.post, *this)),
      standing_(context.authority, CredentialsOf(exchange->request()), exchange->route()) {}

void JobCall::Start(const FaceContext& context, const ExchangePtr& exchange,
                    std::unique_ptr<Listener> listener, Begin begin) {
  const std::shared_ptr<JobCall> call(new JobCall(context, exchange, std::move(listener)));
  context.post([call, exchange, begin = std::move(begin)] {
    AddWorkerSeconds(call->context_, *exchange);
    call->self_ = call;
    begin(*call->pump_);
  });
  exchange->OnGone([call] { call->context_.post([call] { call->pump_->CallerLeft(); }); });
}

void JobCall::Write(const JobEventPtr& event) {
  if (const absl::Status over = standing_.Check(); !over.ok()) {
    pump_->Refuse(over);
    return pump_->Wrote(true);
  }
  listener_->OnEvent(
      event, [call = shared_from_this()] { call->context_.post([call] { call->pump_->Wrote(true); }); });
}

void JobCall::Finish(const absl::Status& status) {
  listener_->OnEnd(status);
  listener_.reset();
  const std::shared_ptr<JobCall> last = std::move(self_);
}

}  // namespace mind::server
