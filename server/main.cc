// mind-server: takes requests, queues them, and has workers run them.
#include <algorithm>
#include <atomic>
#include <cstdio>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "proto/support/daemon.h"
#include "proto/support/grpc_log.h"
#include "proto/support/logging.h"
#include "proto/support/metrics_endpoint.h"
#include "proto/support/otlp_exporter.h"
#include "proto/support/plain_locks.h"
#include "proto/support/watchdog.h"
#include "server/dispatch/loop.h"
#include "server/process/cores.h"
#include "server/process/flags.h"
#include "server/process/ports.h"
#include "server/process/server_tls.h"

namespace mind::server {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(100);
// At the end of the grace: for calls to hear that the server goes down, before they are cut off.
constexpr absl::Duration kCallsEnd = absl::Seconds(1);
// A server that is not down so long after its grace never will be.
constexpr absl::Duration kWatchdog = absl::Seconds(5);

int CannotStart(const absl::Status& status) {
  LogError("cannot start", {{"error", std::string(status.message())}});
  return 1;
}

int Run(const Flags& flags) {
  LogGrpcAsOurs();
  Loop loop(kTick);  // outlives the store, whose threads post to it
  const Post post = [&loop](std::function<void()> work) { loop.Post(std::move(work)); };
  ServerMetrics metrics;
  const auto endpoint = MetricsEndpoint::Create(flags.metrics, metrics.registry);
  if (!endpoint.ok()) return CannotStart(endpoint.status());
  const absl::StatusOr<std::unique_ptr<ServerTls>> tls = ServerTls::Open(flags, metrics.registry);
  if (!tls.ok()) return CannotStart(tls.status());
  const absl::StatusOr<std::unique_ptr<OtlpExporter>> spans =
      OtlpExporter::FromEnvironment("mind-server", metrics.registry);
  if (!spans.ok()) return CannotStart(spans.status());
  const absl::StatusOr<std::unique_ptr<WebhookDeliverer>> webhooks = OpenWebhooks(flags);
  if (!webhooks.ok()) return CannotStart(webhooks.status());
  const absl::StatusOr<std::unique_ptr<ModerationClient>> moderation = OpenModeration(flags, metrics);
  if (!moderation.ok()) return CannotStart(moderation.status());
  const absl::StatusOr<std::unique_ptr<Trust>> trust = Trust::Open(flags, metrics);
  if (!trust.ok()) return CannotStart(trust.status());
  std::atomic<bool> given_up = false;
  const GiveUp cannot_go_on = [&given_up](const absl::Status& why) {
    if (given_up.exchange(true)) return;
    LogError("cannot go on", {{"error", std::string(why.message())}});
    RequestTermination();
  };
  absl::StatusOr<std::unique_ptr<Core>> made =
      MakeCore(flags, post, **tls,
               {.webhooks = webhooks->get(), .moderator = moderation->get(), .spans = spans->get()},
               cannot_go_on, **trust, metrics);
  if (!made.ok()) return CannotStart(made.status());
  Core& core = **made;
  (*trust)->Begin();
  absl::StatusOr<std::unique_ptr<Ports>> opened = Ports::Open(flags, post, **tls, core, **trust, metrics);
  if (!opened.ok()) return CannotStart(opened.status());
  Ports& ports = **opened;
  loop.Start(
      [&core, &ports] {
        core.OnTick();
        ports.OnTick();
      },
      [&metrics](absl::Duration held) { metrics.loop_held_seconds.Observe(absl::ToDoubleSeconds(held)); });
  const absl::Cleanup stop = [&loop] { loop.Stop(); };
  if (const absl::Status status = ports.OpenHttp(flags); !status.ok()) return CannotStart(status);
  loop.Run([&] { core.OnServingChange([&ports](bool serving) { ports.TellServing(serving); }); });
  // For scripts: the ports, on standard output, when they can be used.
  if (ports.http_port() != 0) std::printf("http on port %d\n", ports.http_port());
  if (ports.worker_port() != 0) std::printf("workers on port %d\n", ports.worker_port());
  std::printf("mind-server listening on port %d, metrics on port %d\n", ports.port(), (*endpoint)->port());
  std::fflush(stdout);
  LogInfo("ready",
          {{"port", ports.port()}, {"metrics_port", (*endpoint)->port()}, {"version", MIND_VERSION}});

  WaitForTermination();
  const absl::Duration grace = flags.grace;
  LogInfo("going down", {{"grace", absl::FormatDuration(grace)}});
  EndWithin(grace + kWatchdog);
  // What has begun may end and be written, then calls are ended: all of it within the grace.
  const absl::Duration for_calls = std::min(kCallsEnd, grace / 4);
  const absl::Time give_up = absl::Now() + grace - for_calls;
  loop.Run([&] {
    core.OnServingChange([](bool) {});
    core.WindDown();
  });
  ports.StopAccepting();
  for (bool busy = true; busy && absl::Now() < give_up;) {
    loop.Run([&] { busy = core.busy(); });
    if (busy) absl::SleepFor(kTick);
  }
  loop.Run([&] { core.CloseCalls(); });
  ports.Close(for_calls);
  core.Join();
  return given_up ? 1 : 0;
}

}  // namespace
}  // namespace mind::server

int main(int argc, char** argv) {
  mind::LockPlainly();
  const mind::server::Flags flags = mind::server::ParseFlags(argc, argv);
  mind::HoldTerminationSignals();
  return mind::server::Run(flags);
}
