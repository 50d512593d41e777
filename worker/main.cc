// mind-worker: holds models on one device and makes pictures for a server.
#include <sys/utsname.h>
#include <unistd.h>

#include <ATen/Parallel.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/support/byte_count.h"
#include "proto/support/daemon.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/metrics_endpoint.h"
#include "worker/diffusion/blas.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/engine/model_cache.h"
#include "worker/diffusion/error.h"
#include "worker/link/convert.h"
#include "worker/link/metrics.h"
#include "worker/link/server_link.h"

ABSL_FLAG(std::string, server, "127.0.0.1:8080", "HOST:PORT of the server [env: MIND_SERVER]");
ABSL_FLAG(std::string, models, "models",
          "directory of model directories, or one model directory [env: MIND_MODELS]");
ABSL_FLAG(std::string, device, "cpu", "cpu or cuda:N [env: MIND_DEVICE]");
ABSL_FLAG(std::string, metrics, "127.0.0.1:9091",
          "HOST:PORT for /metrics; port 0 picks a free one [env: MIND_METRICS]");
ABSL_FLAG(std::string, name, "",
          "unique among the server's workers; default: host name and process id [env: MIND_NAME]");
ABSL_FLAG(int, threads, 0, "on cpu: rows computed at the same time; 0: one a core [env: MIND_THREADS]");
ABSL_FLAG(int, max_images, 16, "pictures taken at the same time [env: MIND_MAX_IMAGES]");
ABSL_FLAG(absl::Duration, checkpoint_interval, absl::Milliseconds(200),
          "how often a picture's state is sent to the server [env: MIND_CHECKPOINT_INTERVAL]");
ABSL_FLAG(absl::Duration, drain, absl::Seconds(5),
          "after SIGTERM: how long pictures may still finish before they are handed back [env: MIND_DRAIN]");
ABSL_FLAG(bool, preload, true,
          "load models before taking work, as far as there is room, instead of each on first use "
          "[env: MIND_PRELOAD]");
ABSL_FLAG(bool, channels_last, false,
          "keep convolutions' weights with the channels last in memory: faster on some devices, slower on "
          "others [env: MIND_CHANNELS_LAST]");
ABSL_FLAG(mind::ByteCount, memory, {},
          "most memory for models' weights, such as 8GiB: where there is no room for a model, those used "
          "longest ago are unloaded; 0: no limit [env: MIND_MEMORY]");

namespace {

using namespace mind;

std::string DefaultName() {
  utsname host{};
  uname(&host);
  std::string name;
  for (const char* c = host.nodename; *c != '\0'; ++c) {
    name.push_back(isalnum(static_cast<unsigned char>(*c)) != 0 ? *c : '-');
  }
  return absl::StrCat(name.substr(0, 40), "-", getpid());
}

int Run() {
  at::Device device = at::kCPU;
  try {
    device = at::Device(absl::GetFlag(FLAGS_device));
    if (!device.is_cpu() && !device.is_cuda()) throw diffusion::Error("not a device we know");
    at::empty({1}, device);  // fails where there is no such device
  } catch (const std::exception&) {
    LogError("cannot use the device",
             {{"device", absl::GetFlag(FLAGS_device)},
              {"allowed", "cpu, or cuda:N with N below the number of CUDA devices"}});
    return 1;
  }
  // Rows run side by side, each on one thread: an image does not depend on its neighbours, nor on the number
  // of cores.
  if (device.is_cpu()) at::set_num_threads(1);
  const int cores = static_cast<int>(std::max(std::thread::hardware_concurrency(), 1U));
  const int threads = absl::GetFlag(FLAGS_threads) > 0 ? absl::GetFlag(FLAGS_threads) : cores;

  WorkerMetrics metrics;
  const auto endpoint = MetricsEndpoint::Create(absl::GetFlag(FLAGS_metrics), metrics.registry);
  if (!endpoint.ok()) {
    LogError("cannot start", {{"error", std::string(endpoint.status().message())}});
    return 1;
  }

  std::unique_ptr<diffusion::ModelCache> models;
  try {
    models = std::make_unique<diffusion::ModelCache>(
        absl::GetFlag(FLAGS_models),
        diffusion::ModelCache::Options{
            .parameters = {.device = device, .channels_last = absl::GetFlag(FLAGS_channels_last)},
            .memory_budget = absl::GetFlag(FLAGS_memory).bytes,
            .events = {.loaded =
                           [&metrics](const std::string& model, double seconds) {
                             metrics.OnModelLoaded(model, seconds);
                             LogInfo("model loaded", {{"model", model}, {"seconds", seconds}});
                           },
                       .unloaded =
                           [&metrics](const std::string& model) {
                             metrics.models_unloaded.Increment();
                             LogInfo("model unloaded", {{"model", model}});
                           }}});
    if (absl::GetFlag(FLAGS_preload)) models->Preload();
    for (const auto& rejected : models->rejected()) {
      LogWarning("not served", {{"path", rejected.path}, {"reason", rejected.reason}});
    }
    if (models->models().empty()) {
      LogError("no model to serve", {{"models", absl::GetFlag(FLAGS_models)}});
      return 1;
    }
  } catch (const diffusion::Error& e) {
    LogError("cannot load the models", {{"error", e.what()}});
    return 1;
  }

  diffusion::Engine::Options engine_options;
  engine_options.device = device;
  engine_options.row_threads = threads;
  engine_options.decode = DecodeSource;
  engine_options.checkpoint_interval =
      std::chrono::milliseconds(absl::ToInt64Milliseconds(absl::GetFlag(FLAGS_checkpoint_interval)));
  diffusion::Engine engine(*models, engine_options, &metrics);

  ServerLink::Options link_options;
  link_options.server = absl::GetFlag(FLAGS_server);
  link_options.name = absl::GetFlag(FLAGS_name).empty() ? DefaultName() : absl::GetFlag(FLAGS_name);
  link_options.device = device.str();
  link_options.max_images = static_cast<uint32_t>(std::max(absl::GetFlag(FLAGS_max_images), 1));
  ServerLink link(link_options, engine, *models, metrics);
  std::printf("mind-worker %s serving %zu models on %s, metrics on port %d\n", link_options.name.c_str(),
              models->models().size(), device.str().c_str(), (*endpoint)->port());
  std::fflush(stdout);
  LogInfo("ready", {{"worker", link_options.name},
                    {"device", device.str()},
                    {"row_threads", threads},
                    {"blas", BlasName()},
                    {"metrics_port", (*endpoint)->port()},
                    {"version", MIND_VERSION}});

  WaitForTermination();
  LogInfo("draining");
  link.Drain(absl::GetFlag(FLAGS_drain));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ChooseBlasKernels(argv);
  ParseFlags(argc, argv,
             "mind-worker: holds diffusion models on one device and makes pictures for a server.");
  HoldTerminationSignals();
  const int status = Run();
  // All that is ours is closed by now, but gRPC's threads may still be letting go of the last call, and abort
  // if static objects are destroyed under them (one of ten drained workers did).
  std::fflush(nullptr);
  FlushLogs(absl::Seconds(1));
  std::_Exit(status);
}
