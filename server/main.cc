// mind-server: takes requests, queues them, and has workers run them.
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "proto/support/daemon.h"
#include "proto/support/flag_types.h"
#include "proto/support/logging.h"
#include "proto/support/message_size.h"
#include "proto/support/metrics_endpoint.h"
#include "proto/support/watchdog.h"
#include "server/api/generation_api.h"
#include "server/api/worker_api.h"
#include "server/dispatch/loop.h"
#include "server/generation/service.h"
#include "server/http/http_server.h"
#include "server/http/native.h"
#include "server/http/openai.h"
#include "server/http/openapi.h"
#include "server/http/page.h"
#include "server/store/sqlite_job_store.h"
#include "server/webhooks/webhook_deliverer.h"

namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
// At the end of the grace: for calls to hear that the server goes down, before they are cut off.
constexpr absl::Duration kCallsEnd = absl::Seconds(1);
// A server that is not down so long after its grace never will be.
constexpr absl::Duration kWatchdog = absl::Seconds(5);

struct Flags {
  std::string listen = "127.0.0.1:8080";
  std::string http;
  std::string http_origins;
  std::string http_url;
  std::string webhooks;
  std::string webhook_secret_file;
  std::string metrics = "127.0.0.1:9090";
  std::string data = "data";
  int max_queue = 1000;
  absl::Duration max_wait = absl::Hours(1);
  absl::Duration lease = absl::Seconds(10);
  absl::Duration stall = absl::Seconds(60);
  absl::Duration keep = absl::Hours(24);
  absl::Duration grace = absl::Seconds(10);
};

Flags ParseFlags(int argc, char** argv) {
  using namespace mind;
  const absl::Duration longest = absl::Hours(24 * 36500);
  Flags flags;
  CLI::App app("Takes picture requests over gRPC, queues them, and has workers run them.");
  SetUpCommandLine(app);
  AddText(app, "--listen", flags.listen, "HOST:PORT", "For clients and workers; port 0 picks a free one");
  AddText(app, "--http", flags.http, "HOST:PORT",
          "For the page and the APIs over HTTP: OpenAI's Images API, JSON, events; port 0 picks a free one. "
          "If left "
          "out there is none");
  AddText(app, "--http-origins", flags.http_origins, "ORIGINS",
          "Origins of other web pages that may use the APIs over HTTP, with commas between "
          "(https://studio.example); *: any");
  AddText(
      app, "--http-url", flags.http_url, "URL",
      "How callers reach --http, for links to it: https://pictures.example. If left out, http and the host "
      "that they name");
  AddText(app, "--webhooks", flags.webhooks, "ORIGINS",
          "Origins that may be told of jobs' ends, with commas between (https://studio.example); if left out "
          "there "
          "are none");
  AddText(
      app, "--webhook-secret-file", flags.webhook_secret_file, "FILE",
      "What webhooks are signed with: a line whsec_ and base64; two while one takes the place of the other");
  AddText(app, "--metrics", flags.metrics, "HOST:PORT", "For /metrics; port 0 picks a free one");
  AddText(app, "--data", flags.data, "DIR", "Holds the job store; created if missing");
  AddNumber(app, "--max-queue", flags.max_queue, 0, 1'000'000, "Jobs that may wait; one more is refused");
  AddDuration(app, "--max-wait", flags.max_wait, absl::ZeroDuration(), longest,
              "A job that would wait longer is refused");
  AddDuration(app, "--lease", flags.lease, absl::Milliseconds(100), absl::Hours(1),
              "A worker silent for longer is lost");
  AddDuration(
      app, "--stall", flags.stall, absl::Seconds(1), absl::Hours(24),
      "A picture that has begun and has not moved for so long, nor for twenty of its steps, is made by "
      "another worker");
  AddDuration(app, "--keep", flags.keep, absl::ZeroDuration(), longest,
              "How long ended jobs and their pictures are kept");
  AddDuration(app, "--grace", flags.grace, absl::ZeroDuration(), absl::Hours(24),
              "After SIGTERM: how long running jobs may still finish; the others go on after a restart. A "
              "second SIGTERM ends the program at once");
  GiveTwins(app);
  ParseCommandLine(app, argc, argv);
  return flags;
}

int Run(const Flags& flags) {
  using namespace mind;
  using namespace mind::server;

  Loop loop(kTick);  // outlives the store, whose threads post to it
  const Post post = [&loop](std::function<void()> work) { loop.Post(std::move(work)); };
  absl::StatusOr<std::unique_ptr<SqliteJobStore>> store = SqliteJobStore::Open(flags.data);
  if (!store.ok()) {
    LogError("cannot open the job store", {{"error", std::string(store.status().message())}});
    return 1;
  }
  std::unique_ptr<WebhookDeliverer> webhooks;
  const std::vector<std::string> webhook_origins = absl::StrSplit(flags.webhooks, ',', absl::SkipEmpty());
  if (!webhook_origins.empty()) {
    absl::StatusOr<std::unique_ptr<WebhookDeliverer>> started =
        WebhookDeliverer::For(webhook_origins, flags.webhook_secret_file);
    if (!started.ok()) {
      LogError("cannot start", {{"error", std::string(started.status().message())}});
      return 1;
    }
    webhooks = *std::move(started);
  }
  ServerMetrics metrics;
  const auto endpoint = MetricsEndpoint::Create(flags.metrics, metrics.registry);
  if (!endpoint.ok()) {
    LogError("cannot start", {{"error", std::string(endpoint.status().message())}});
    return 1;
  }

  GenerationService::Options options;
  options.dispatcher.lease = flags.lease;
  options.dispatcher.progress.stall = flags.stall;
  options.max_queue = static_cast<size_t>(flags.max_queue);
  options.max_wait = flags.max_wait;
  options.keep = flags.keep;
  options.limits.webhook_origins = webhook_origins;
  options.webhooks = webhooks.get();
  options.post = post;
  options.clock = [] { return absl::Now(); };
  server::GenerationService service(options, **store, metrics);
  if (absl::Status status = service.Recover(); !status.ok()) {
    LogError("cannot take up the jobs of the earlier run", {{"error", std::string(status.message())}});
    return 1;
  }
  GenerationApi generation(post, service, metrics);
  WorkerApi worker(post, service.workers(), metrics);

  const FaceContext faces{
      .post = post, .generation = service, .url = std::string(absl::StripSuffix(flags.http_url, "/"))};
  Router router;
  AddOpenAiFace(faces, router);
  AddNativeFace(faces, router);
  AddPage(router);
  AddOpenApi(router);

  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort(flags.listen, grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&generation);
  builder.RegisterService(&worker);
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  builder.SetMaxSendMessageSize(kMaxMessageBytes);
  // Long streams are kept alive from both ends; the defaults would answer the workers' pings with GOAWAY.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || port == 0) {
    LogError("cannot listen", {{"address", flags.listen}});
    return 1;
  }
  loop.Start([&service] { service.OnTick(); });
  const absl::Cleanup stop = [&loop] { loop.Stop(); };
  std::unique_ptr<HttpServer> http;
  if (!flags.http.empty()) {
    auto started = HttpServer::Start(
        {.address = flags.http, .cors_origins = absl::StrSplit(flags.http_origins, ',', absl::SkipEmpty())},
        router);
    if (!started.ok()) {
      LogError("cannot start", {{"error", std::string(started.status().message())}});
      return 1;
    }
    http = *std::move(started);
    std::printf("http on port %d\n", http->port());
  }
  loop.Run([&] {
    service.OnServingChange([health = server->GetHealthCheckService()](bool serving) {
      for (const char* name : {"", "mind.v1.GenerationService"}) health->SetServingStatus(name, serving);
    });
  });
  server->GetHealthCheckService()->SetServingStatus("mind.v1.WorkerService", true);
  // For scripts: the ports, on standard output, when they can be used.
  std::printf("mind-server listening on port %d, metrics on port %d\n", port, (*endpoint)->port());
  std::fflush(stdout);
  LogInfo("ready", {{"port", port}, {"metrics_port", (*endpoint)->port()}, {"version", MIND_VERSION}});

  WaitForTermination();
  const absl::Duration grace = flags.grace;
  LogInfo("going down", {{"grace", absl::FormatDuration(grace)}});
  EndWithin(grace + kWatchdog);
  // Jobs may finish and what they made be written, then calls are ended: all of it within the grace.
  const absl::Duration for_calls = std::min(kCallsEnd, grace / 4);
  const absl::Time give_up = absl::Now() + grace - for_calls;
  loop.Run([&] {
    service.OnServingChange(nullptr);
    service.StopAdmitting();
  });
  server->GetHealthCheckService()->Shutdown();
  if (http != nullptr) http->StopAccepting();
  for (bool busy = true; busy && absl::Now() < give_up;) {
    loop.Run([&] { busy = service.running_jobs() > 0 || !service.settled(); });
    if (busy) absl::SleepFor(kTick);
  }
  loop.Run([&] { service.CloseWatches(); });
  server->Shutdown(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(for_calls));
  server->Wait();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const Flags flags = ParseFlags(argc, argv);
  mind::HoldTerminationSignals();
  return Run(flags);
}
