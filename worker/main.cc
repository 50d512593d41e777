// mind-worker: holds models on one device and makes pictures for a server.
#include <sys/utsname.h>
#include <unistd.h>

#include <ATen/Parallel.h>
#include <torch/version.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "proto/support/channel_tls.h"
#include "proto/support/daemon.h"
#include "proto/support/errors.h"
#include "proto/support/flag_types.h"
#include "proto/support/grpc_log.h"
#include "proto/support/http_client.h"
#include "proto/support/logging.h"
#include "proto/support/metrics_endpoint.h"
#include "proto/support/otlp_exporter.h"
#include "proto/support/plain_locks.h"
#include "worker/diffusion/blas.h"
#include "worker/diffusion/device/kept_memory.h"
#include "worker/diffusion/device/precision.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/diffusion/engine/model_cache.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/processors.h"
#include "worker/link/convert.h"
#include "worker/link/engine_watch.h"
#include "worker/link/maker.h"
#include "worker/link/metrics.h"
#include "worker/link/model_watch.h"
#include "worker/link/server_link.h"

namespace {

using namespace mind;

struct Flags {
  std::string server = "127.0.0.1:8080";
  std::string key;
  std::string models = "models";
  std::string device = "cpu";
  std::optional<diffusion::Precision> precision;  // none: what the device is best used with
  std::string metrics = "127.0.0.1:9091";
  std::string name;
  int threads = 0;
  uint32_t max_images = 16;
  absl::Duration checkpoint_interval = absl::Seconds(5);
  absl::Duration drain = absl::Seconds(5);
  absl::Duration step_limit = absl::Minutes(10);
  bool preload = true;
  absl::Duration rescan = absl::Seconds(5);
  bool channels_last = false;
  ByteCount memory;
  std::string s3_ca;
  std::string watermark_key;
  ChannelTls tls;
};

Flags ParseFlags(int argc, char** argv) {
  Flags flags;
  CLI::App app("Holds diffusion models on one device and makes pictures for a server.");
  SetUpCommandLine(app);
  AddText(app, "--server", flags.server, "HOST:PORT", "The server to work for");
  AddChannelTlsFlags(app, flags.tls);
  AddText(
      app, "--key", flags.key, "KEY",
      "Of scope worker, where the server asks for keys; better given as MIND_KEY, which other users of the "
      "machine cannot read");
  AddText(app, "--models", flags.models, "DIR", "Directory of model directories, or one model directory");
  AddText(app, "--device", flags.device, "DEVICE", "cpu or cuda:N");
  const auto precision = [&flags](const std::string& name) -> std::string {
    flags.precision = diffusion::PrecisionNamed(name);
    return flags.precision ? "" : name + ": allowed: " + diffusion::kPrecisionNames;
  };
  AddFlag(app, "--precision", "fp32|tf32|bf16|fp16", precision,
          "What networks are kept and computed in; if left out, bf16 on a GPU that has it, else fp32");
  AddText(app, "--metrics", flags.metrics, "HOST:PORT", "For /metrics; port 0 picks a free one");
  AddText(app, "--name", flags.name, "NAME",
          "Unique among the server's workers; if left out, host name and process id");
  AddNumber(app, "--threads", flags.threads, 0, 4096,
            "On the CPU: rows computed at the same time; 0: one for each processor it may use");
  AddNumber(app, "--max-images", flags.max_images, 1U, 4096U, "Pictures taken at the same time");
  AddDuration(
      app, "--checkpoint-interval", flags.checkpoint_interval, absl::ZeroDuration(), absl::Hours(24),
      "Work on a picture that may be lost with this worker, at most: so often its state is sent to the "
      "server, or sooner where that is cheap, or later where it would cost a twentieth of the work; "
      "0: after every step");
  AddDuration(app, "--drain", flags.drain, absl::ZeroDuration(), absl::Hours(24),
              "After SIGTERM: how long pictures may still finish before they are handed back. A second "
              "SIGTERM ends the program at once");
  AddDuration(
      app, "--step-limit", flags.step_limit, absl::ZeroDuration(), absl::Hours(24),
      "A step that takes longer, and longer than twenty times what such steps were measured to take, hangs: "
      "the pictures are handed back as their newest checkpoints have them, and the program ends with 1, to "
      "be started again; of what was never measured six times as long; 0: never");
  AddSwitch(app, "--preload", flags.preload,
            "Load models before taking work, as far as there is room, instead of each on first use");
  AddDuration(
      app, "--rescan", flags.rescan, absl::ZeroDuration(), absl::Hours(24),
      "So often the models' directory is looked at: what has come, changed or gone is served, replaced or "
      "withdrawn without a restart, once it has stopped changing; 0: only upon SIGHUP");
  AddSwitch(app, "--channels-last", flags.channels_last,
            "Keep convolutions' weights with the channels last in memory: faster on some devices, slower on "
            "others");
  AddByteCount(app, "--memory", flags.memory,
               "Most memory for models' weights: where there is no room for a model, those used longest ago "
               "are unloaded; 0: no limit");
  AddText(
      app, "--s3-ca", flags.s3_ca, "FILE",
      "Where the server has its pictures put into a bucket: the authorities that the endpoint's certificate "
      "is by, in PEM; if left out, those that the system knows");
  AddText(
      app, "--watermark-key", flags.watermark_key, "FILE",
      "Pictures get an invisible watermark by this key, 16 bytes or more, by which `mind-inspect` finds it "
      "again; if left out they get none");
  GiveTwins(app);
  ParseCommandLine(app, argc, argv);
  return flags;
}

std::string DefaultName() {
  utsname host{};
  uname(&host);
  std::string name;
  for (const char* c = host.nodename; *c != '\0'; ++c) {
    name.push_back(isalnum(static_cast<unsigned char>(*c)) != 0 ? *c : '-');
  }
  return absl::StrCat(name.substr(0, 40), "-", getpid());
}

// Without destroying what threads may still be at.
[[noreturn]] void Leave(int status) {
  std::fflush(nullptr);
  FlushLogs(absl::Seconds(1));
  std::_Exit(status);
}

// Whether something may be changing still.
bool LookAgain(diffusion::ModelCache& models, bool load, ServerLink& link, bool& unreadable) {
  diffusion::ModelCache::Changes changes;
  try {
    changes = models.LookAgain(load);
  } catch (const std::exception& e) {
    if (!std::exchange(unreadable, true))
      LogWarning("cannot look for models: they stay as they are", {{"error", e.what()}});
    return false;
  }
  unreadable = false;
  for (const auto& [message, names] :
       {std::pair("model added", &changes.added), std::pair("model replaced", &changes.replaced),
        std::pair("model has other LoRAs", &changes.renewed),
        std::pair("model withdrawn", &changes.withdrawn)}) {
    for (const std::string& name : *names) LogInfo(message, {{"model", name}});
  }
  for (const auto& rejected : changes.rejected)
    LogWarning("not served", {{"path", rejected.path}, {"reason", rejected.reason}});
  if (changes.any()) link.ModelsChanged();
  return changes.settling;
}

int Run(const Flags& flags) {
  LogGrpcAsOurs();
  at::Device device = at::kCPU;
  try {
    device = at::Device(flags.device);
    if (!device.is_cpu() && !device.is_cuda()) throw diffusion::Error("not a device we know");
    at::empty({1}, device);  // fails where there is no such device
  } catch (const std::exception&) {
    LogError(
        "cannot use the device",
        {{"device", flags.device}, {"allowed", "cpu, or cuda:N with N below the number of CUDA devices"}});
    return 1;
  }
  const diffusion::Precision precision = flags.precision.value_or(diffusion::DefaultPrecision(device));
  if (const std::string reason = diffusion::WhyNot(precision, device); !reason.empty()) {
    LogError("cannot compute so",
             {{"precision", diffusion::NameOf(precision)}, {"device", device.str()}, {"reason", reason}});
    return 1;
  }
  diffusion::ComputeIn(precision);
  // Rows run side by side, each on one thread: an image does not depend on its neighbours, nor on the number
  // of cores.
  if (device.is_cpu()) {
    at::set_num_threads(1);
    diffusion::KeepLargeBlocks();
  }
  const int threads = flags.threads > 0 ? flags.threads : UsableProcessors();

  WorkerMetrics metrics;
  metrics.OnDevice(device.str(), diffusion::NameOf(precision));
  const auto endpoint = MetricsEndpoint::Create(flags.metrics, metrics.registry);
  if (!endpoint.ok()) {
    LogError("cannot start", {{"error", std::string(endpoint.status().message())}});
    return 1;
  }

  const auto credentials = MakeChannelCredentials(flags.tls);
  if (!credentials.ok()) {
    LogError("cannot start", {{"error", std::string(credentials.status().message())}});
    return 1;
  }

  const auto uploads = HttpClient::Create(flags.s3_ca);
  if (!uploads.ok()) {
    LogError("cannot start", {{"error", std::string(uploads.status().message())}});
    return 1;
  }
  std::optional<image::Watermark> watermark;
  try {
    if (!flags.watermark_key.empty()) watermark = image::Watermark::FromFile(flags.watermark_key);
  } catch (const std::exception& e) {
    LogError("cannot start", {{"error", absl::StrCat("--watermark-key: ", e.what())}});
    return 1;
  }
  const auto spans = OtlpExporter::FromEnvironment("mind-worker", metrics.registry);
  if (!spans.ok()) {
    LogError("cannot start", {{"error", std::string(spans.status().message())}});
    return 1;
  }

  std::unique_ptr<diffusion::ModelCache> models;
  try {
    const EndsAtOnce at_once;  // there may be much to read
    models = std::make_unique<diffusion::ModelCache>(
        flags.models,
        diffusion::ModelCache::Options{
            .parameters = {.precision = precision, .device = device, .channels_last = flags.channels_last},
            .memory_budget = flags.memory.bytes,
            .events = {.loaded =
                           [&metrics](const std::string& model, double seconds, int64_t in_memory) {
                             metrics.OnModelLoaded(model, seconds);
                             metrics.weight_bytes.Set(static_cast<double>(in_memory));
                             LogInfo("model loaded",
                                     {{"model", model}, {"seconds", seconds}, {"weight_bytes", in_memory}});
                           },
                       .unloaded =
                           [&metrics](const std::string& model, int64_t in_memory) {
                             metrics.models_unloaded.Increment();
                             metrics.weight_bytes.Set(static_cast<double>(in_memory));
                             LogInfo("model unloaded", {{"model", model}, {"weight_bytes", in_memory}});
                           },
                       .part_loaded =
                           [&metrics](const std::string& model, const std::string& part, double seconds,
                                      int64_t in_memory) {
                             metrics.weight_bytes.Set(static_cast<double>(in_memory));
                             LogInfo("part of a model loaded", {{"model", model},
                                                                {"part", part},
                                                                {"seconds", seconds},
                                                                {"weight_bytes", in_memory}});
                           },
                       .part_dropped =
                           [&metrics](const std::string& model, const std::string& part, int64_t in_memory) {
                             metrics.weight_bytes.Set(static_cast<double>(in_memory));
                             LogInfo("part of a model dropped",
                                     {{"model", model}, {"part", part}, {"weight_bytes", in_memory}});
                           }}});
    if (flags.preload) models->Preload();
    for (const auto& rejected : models->rejected()) {
      LogWarning("not served", {{"path", rejected.path}, {"reason", rejected.reason}});
    }
    if (models->models().empty()) {
      LogError("no model to serve", {{"models", flags.models}});
      return 1;
    }
  } catch (const std::exception& e) {
    LogError("cannot load the models", {{"error", e.what()}});
    return 1;
  }

  diffusion::Engine::Options engine_options;
  engine_options.device = device;
  engine_options.row_threads = threads;
  engine_options.decode = DecodeSource;
  engine_options.checkpoint_interval =
      std::chrono::milliseconds(absl::ToInt64Milliseconds(flags.checkpoint_interval));
  std::atomic<bool> ending = false, lost = false;
  const auto end_for_loss = [&](const std::string& reason) {
    if (ending.exchange(true)) return;  // a second signal would end it at once
    lost = true;
    LogError("the device is lost: the work is handed back and the program ends", {{"reason", reason}});
    RequestTermination();
  };
  engine_options.device_lost = end_for_loss;
  diffusion::Engine engine(*models, engine_options, &metrics);

  ServerLink::Options link_options;
  link_options.server = flags.server;
  link_options.credentials = *credentials;
  link_options.key = flags.key;
  link_options.spans = spans->get();
  link_options.name = flags.name.empty() ? DefaultName() : flags.name;
  link_options.device = device.str();
  link_options.uploads = uploads->get();
  link_options.max_images = flags.max_images;
  link_options.watermark = watermark ? &*watermark : nullptr;
  EngineMaker maker(engine, *models, metrics);
  ServerLink link(link_options, maker, metrics);
  std::printf("mind-worker %s serving %zu models on %s, metrics on port %d\n", link_options.name.c_str(),
              models->models().size(), device.str().c_str(), (*endpoint)->port());
  std::fflush(stdout);
  LogInfo("ready", {{"worker", link_options.name},
                    {"device", device.str()},
                    {"precision", diffusion::NameOf(precision)},
                    {"row_threads", threads},
                    {"libtorch", TORCH_VERSION},
                    {"blas", BlasName()},
                    {"metrics_port", (*endpoint)->port()},
                    {"version", MIND_VERSION}});

  bool unreadable = false;
  const ModelWatch model_watch(
      {.every = flags.rescan, .look = [&] { return LookAgain(*models, flags.preload, link, unreadable); }});
  const std::chrono::milliseconds step_limit(absl::ToInt64Milliseconds(flags.step_limit));
  const EngineWatch watch({.hangs = [&] { return step_limit.count() > 0 && engine.StepHangs(step_limit); },
                           .tell = [&] { end_for_loss("a step does not end"); }});

  WaitForTermination();
  ending = true;
  LogInfo("draining");
  const bool idle = link.Drain(lost ? absl::ZeroDuration() : flags.drain);
  if (idle && !lost) return 0;
  if (!idle) LogWarning("leaving in the middle of a step");
  if (*spans != nullptr) (*spans)->Finish();
  Leave(lost ? 1 : 0);
}

}  // namespace

int main(int argc, char** argv) {
  ChooseBlasKernels(argv);
  LockPlainly();
  const Flags flags = ParseFlags(argc, argv);
  HoldTerminationSignals();
  ModelWatch::HoldHangups();
  const int status = Run(flags);
  // All that is ours is closed by now, but gRPC's threads may still be letting go of the last call, and abort
  // if static objects are destroyed under them (one of ten drained workers did).
  Leave(status);
}
