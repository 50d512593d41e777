#include "server/process/front.h"

#include <chrono>
#include <utility>
#include <vector>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "proto/support/errors.h"
#include "proto/support/labelled_metric.h"
#include "proto/support/logging.h"
#include "proto/support/message_size.h"
#include "proto/support/open_files.h"
#include "server/cluster/leader_calls.h"
#include "server/cluster/term_witness.h"
#include "server/process/cluster_address.h"

namespace mind::server {
namespace {

constexpr absl::Duration kAnnouncement = absl::Seconds(5);
constexpr absl::Duration kEnd = absl::Milliseconds(500);  // for what other fronts still ask

std::string RandomName() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random), absl::Uniform<uint64_t>(random));
}

absl::Status GoingDown() {
  return WithRetry(MakeError(absl::StatusCode::kUnavailable, "the server is going down", "SHUTTING_DOWN"),
                   absl::Seconds(2));
}

}  // namespace

Front::Front(const Options& options, ServerMetrics& metrics)
    : options_(options),
      name_(RandomName()),
      metrics_(metrics),
      leads_(GaugeFamily(*metrics.registry, "mind_server_leads", "1 while this server leads").Add({})),
      leadership_({.service = options.service,
                   .open = [this](uint64_t term) { return options_.open_store(term, name_); },
                   .elsewhere = [this](std::function<void()> work) { elsewhere_.Post(std::move(work)); },
                   .lost = [this](uint64_t term, const std::string& why) { campaign_->OnLost(term, why); },
                   .serving =
                       [this](bool serving) {
                         leader_serves_ = serving;
                         TellServing();
                       }},
                  metrics, seat_),
      client_({.front = name_,
               .post = options.service.post,
               .clock = options.service.clock,
               .steady_clock = options.service.steady_clock},
              *options.store, metrics),
      relay_(metrics, *options.authority, options.identify_worker),
      questions_(options.service.post, seat_, metrics, fronts_),
      streams_(options.service.post, seat_, metrics, fronts_, WorkerNamedByFront),
      cluster_(options.service.post, seat_, metrics, fronts_,
               [this](uint64_t term, const std::string& leader) { campaign_->OnHigherTerm(term, leader); }) {}

absl::StatusOr<std::unique_ptr<Front>> Front::Start(const Options& options, ServerMetrics& metrics) {
  if (absl::Status status = CheckClusterAddress(options.cluster, options.listens_with != nullptr);
      !status.ok())
    return status;
  std::unique_ptr<Front> front(new Front(options, metrics));
  if (absl::Status status = front->Listen(); !status.ok()) return status;
  Campaign::Candidate& candidate = *front;
  front->campaign_ = std::make_unique<Campaign>(
      Campaign::Options{
          .election = {.holder = front->name_, .address = front->address_, .lease = options.lease},
          .post = options.service.post,
          .steady_clock = options.service.steady_clock},
      *options.terms, candidate);
  return front;
}

absl::Status Front::Listen() {
  auto door =
      Door::Open({.address = options_.cluster, .files = AllowFiles()}, Door::TurnedAway(*metrics_.registry));
  if (!door.ok()) {
    return absl::UnavailableError(absl::StrCat("the cluster port: ", door.status().message()));
  }
  door_ = *std::move(door);
  grpc::ServerBuilder builder;
  const bool encrypted = options_.listens_with != nullptr;
  builder.RegisterService(&questions_);
  builder.RegisterService(&streams_);
  builder.RegisterService(&cluster_);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  RefusePacked(builder);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> witnesses;
  witnesses.push_back(std::make_unique<TermWitness>(
      [this](uint64_t term) { options_.service.post([this, term] { campaign_->OnHigherTerm(term); }); }));
  builder.experimental().SetInterceptorCreators(std::move(witnesses));
  server_ = door_->Build(builder, encrypted ? options_.listens_with : grpc::InsecureServerCredentials());
  if (server_ == nullptr) {
    return absl::UnavailableError(absl::StrCat("cannot serve at the cluster port ", options_.cluster));
  }
  const std::string host = options_.cluster.substr(0, options_.cluster.rfind(':'));
  address_ = absl::StrCat(host, ":", door_->port());
  LogInfo("reached by other servers", {{"address", address_}, {"encrypted", encrypted}});
  return absl::OkStatus();
}

// --- The election.

void Front::OnTick() {
  campaign_->OnTick();
  leadership_.OnTick();
  if (campaign_->frozen()) leadership_.OnFrozen();
  client_.OnTick();
  // Those of this front's faces; the leader's service knows only fronts.
  metrics_.watchers.Set(static_cast<double>(client_.watchers()));
}

void Front::Lead(uint64_t term) {
  if (leader_ != nullptr) Announce(leader_, term, address_);
  leader_serves_ = true;
  leads_.Set(1);
  leadership_.Begin(term);
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  PointTo(std::make_shared<LeaderLink>(term, server_->InProcessChannel(arguments)));
}

void Front::StepDown(uint64_t, const std::string&) {
  leads_.Set(0);
  leadership_.End();
  leader_serves_ = true;
  PointTo(nullptr);
}

void Front::Follow(uint64_t term, const std::string& address) {
  if (address.empty()) return PointTo(nullptr);
  const LeaderLinkPtr before = leader_;
  PointTo(std::make_shared<LeaderLink>(
      term, options_.dials_with != nullptr ? DialFront(address, options_.dials_with) : DialFront(address)));
  if (before != nullptr) Announce(before, term, address);
}

void Front::PointTo(LeaderLinkPtr leader) {
  leader_ = leader;
  client_.PointTo(leader);
  relay_.PointTo(leader);
  TellServing();
}

struct Front::Announcement {
  std::shared_ptr<void> token;  // goes last
  LeaderLinkPtr to;
  grpc::ClientContext context;
  internal::v1::AnnounceRequest request;
  internal::v1::AnnounceResponse response;
};

void Front::Announce(const LeaderLinkPtr& to, uint64_t term, const std::string& address) {
  if (to->term >= term) return;
  const auto one = std::make_shared<Announcement>();
  std::erase_if(announcements_, [](const auto& each) { return each.expired(); });
  announcements_.push_back(one);
  one->to = to;
  one->token = announcing_.Begin();
  one->request.set_term(term);
  one->request.set_address(address);
  one->context.set_wait_for_ready(true);
  one->context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kAnnouncement));
  // Let go of on the loop: the last to hold a channel must not be one of gRPC's own threads.
  to->cluster->async()->Announce(
      &one->context, &one->request, &one->response,
      [one, post = options_.service.post](const grpc::Status&) mutable { post([last = std::move(one)] {}); });
}

// --- The process.

void Front::OnServingChange(std::function<void(bool)> tell) {
  tell_serving_ = std::move(tell);
  TellServing();
}

void Front::TellServing() {
  if (tell_serving_) tell_serving_(leader_ != nullptr && leader_serves_ && !winding_down_);
}

void Front::WindDown() {
  winding_down_ = true;
  TellServing();
  campaign_->Retire([this] { retired_ = true; });
}

void Front::CloseCalls() {
  for (const auto& each : announcements_) {
    if (const auto under_way = each.lock()) under_way->context.TryCancel();
  }
  client_.Close(GoingDown());
  relay_.PointTo(nullptr);
}

void Front::Join() {
  door_->Close();
  server_->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kEnd));
  server_->Wait();
  client_.Join();
  relay_.Join();
  announcing_.Wait();
}

}  // namespace mind::server
