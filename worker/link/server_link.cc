#include "worker/link/server_link.h"

#include <algorithm>

#include "proto/support/logging.h"
#include "worker/link/convert.h"
#include "worker/link/image_events.h"

namespace mind {
namespace {

constexpr int kMaxMessageBytes = 64 * 1024 * 1024;  // the server's limit
constexpr absl::Duration kFlushLimit = absl::Seconds(10);
constexpr absl::Duration kHandBackLimit = absl::Seconds(30);
constexpr absl::Duration kRegistrationLimit = absl::Seconds(10);

// A condition for absl::Mutex.
bool NothingRuns(std::map<ServerLink::ImageKey, uint64_t>* running) {
  return running->empty();
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& server) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // The pauses between tries are ours (Options); gRPC's own must not add to them.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

ServerLink::ServerLink(const Options& options, diffusion::Engine& engine, const diffusion::ModelCache& models,
                       WorkerMetrics& metrics)
    : options_(options),
      engine_(engine),
      models_(models),
      metrics_(metrics),
      stub_(v1::WorkerService::NewStub(MakeChannel(options.server))),
      thread_([this] { KeepConnected(); }) {}

ServerLink::~ServerLink() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
    if (stream_ != nullptr) stream_->Abort();
  }
  thread_.join();
  HandBackAll();
  const absl::MutexLock lock(&mutex_);  // the engine's events refer to us until the last picture has ended
  mutex_.Await(absl::Condition(NothingRuns, &running_));
}

void ServerLink::KeepConnected() {
  absl::Duration pause = options_.first_pause;
  for (;;) {
    metrics_.reconnects.Increment();
    if (RunStream()) pause = options_.first_pause;
    const absl::MutexLock lock(&mutex_);
    // Jitter, so that the workers of a restarted server do not all come at the same moment.
    const absl::Duration jittered = pause * absl::Uniform(random_, 0.5, 1.0);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), jittered)) return;
    pause = std::min(pause * 2, options_.longest_pause);
  }
}

bool ServerLink::RunStream() {
  const std::shared_ptr<Stream> stream =
      Stream::Dial(*stub_, {.message = [this](const v1::ConnectResponse& message) { OnMessage(message); },
                            .preview_dropped = [this] { metrics_.previews_dropped.Increment(); }});
  std::map<std::pair<std::string, uint32_t>, v1::ImageCheckpoint> kept;
  {
    const absl::MutexLock lock(&mutex_);
    if (stopping_) stream->Abort();
    stream_ = stream;
    heartbeat_ = absl::InfiniteDuration();
    kept = kept_;
  }
  stream->Send(Registration());
  for (const auto& [key, checkpoint] : kept) {
    v1::ConnectRequest message;
    *message.mutable_image_checkpoint() = checkpoint;
    stream->Send(std::move(message));
  }
  const absl::Time dialled = absl::Now();
  bool accepted = false;
  absl::Duration heartbeat = absl::Milliseconds(50);
  while (!stream->WaitForEnd(heartbeat)) {
    {
      const absl::MutexLock lock(&mutex_);
      if (heartbeat_ == absl::InfiniteDuration()) {
        if (absl::Now() - dialled > kRegistrationLimit) stream->Abort();
        continue;
      }
      heartbeat = heartbeat_;
      if (!accepted) {
        // The server has taken what we kept; what was kept meanwhile is for the next stream.
        for (const auto& [key, checkpoint] : kept) {
          const auto found = kept_.find(key);
          if (found != kept_.end() && found->second.step() == checkpoint.step()) kept_.erase(found);
        }
        accepted = true;
      }
    }
    metrics_.connected.Set(1);
    metrics_.running_images.Set(static_cast<double>(engine_.active()));
    stream->Send(CapacityNow());
  }
  metrics_.connected.Set(0);
  if (accepted || !stream->status().ok()) {
    LogWarning("stream to the server ended",
               {{"server", options_.server}, {"error", stream->status().error_message()}});
  }
  {
    const absl::MutexLock lock(&mutex_);
    stream_ = nullptr;
  }
  HandBackAll();
  // A step's time; then the next stream can begin with the state of everything.
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(NothingRuns, &running_), kHandBackLimit);
  return accepted;
}

v1::ConnectRequest ServerLink::Registration() const {
  v1::ConnectRequest message;
  v1::Register* const registration = message.mutable_register_();
  registration->set_name(options_.name);
  registration->set_device(options_.device);
  registration->set_version(MIND_VERSION);
  for (const diffusion::ModelInfo& info : models_.models()) *registration->add_models() = ToProto(info);
  return message;
}

v1::ConnectRequest ServerLink::CapacityNow() const {
  v1::ConnectRequest message;
  v1::Capacity* const capacity = message.mutable_capacity();
  capacity->set_max_images(options_.max_images);
  for (const std::string& name : models_.LoadedNames()) capacity->add_loaded_models(name);
  for (const auto& [model, seconds] : engine_.RowSeconds()) {
    v1::ModelSpeed* const speed = capacity->add_speeds();
    speed->set_model(model);
    speed->set_row_seconds(seconds);
  }
  return message;
}

void ServerLink::OnMessage(const v1::ConnectResponse& message) {
  if (message.has_registered()) OnRegistered(message.registered());
  if (message.has_assign()) OnAssign(message.assign());
  if (message.has_cancel()) OnCancel(message.cancel());
}

void ServerLink::OnRegistered(const v1::Registered& registered) {
  LogInfo("registered",
          {{"server", options_.server}, {"worker", options_.name}, {"lease_ms", registered.lease_ms()}});
  std::shared_ptr<Stream> stream;
  bool draining = false;
  {
    const absl::MutexLock lock(&mutex_);
    // Four times a lease, and often enough that the server's idea of our speed and models is fresh.
    heartbeat_ = std::min(absl::Milliseconds(registered.lease_ms()) / 4, absl::Seconds(1));
    stream = stream_;
    draining = draining_;
  }
  if (stream == nullptr) return;
  if (draining) {
    v1::ConnectRequest message;
    message.mutable_draining();
    stream->Send(std::move(message));
  }
  stream->Send(CapacityNow());
}

void ServerLink::OnAssign(const v1::Assign& assign) {
  for (const v1::AssignedImage& assigned : assign.images()) {
    v1::ImageRef image;
    image.set_job_id(assign.job_id());
    image.set_attempt(assign.attempt());
    image.set_image_index(assigned.image_index());
    const ImageKey key{assign.job_id(), assign.attempt(), assigned.image_index()};

    const absl::MutexLock lock(&mutex_);
    if (stream_ == nullptr) return;  // it ended meanwhile; the server knows
    // `ended` cannot come before the id is noted: it waits for the lock.
    const ImageEvents::Callbacks callbacks{
        .keep = [this](v1::ImageCheckpoint checkpoint) { Keep(std::move(checkpoint)); },
        .ended =
            [this, key] {
              const absl::MutexLock ended_lock(&mutex_);
              running_.erase(key);
            }};
    running_[key] =
        engine_.Submit(ToRequest(assign, assigned),
                       std::make_shared<ImageEvents>(stream_, image, assign.spec(), metrics_, callbacks));
  }
}

void ServerLink::OnCancel(const v1::CancelAttempt& cancel) {
  const absl::MutexLock lock(&mutex_);
  for (const auto& [key, id] : running_) {
    if (std::get<0>(key) == cancel.job_id() && std::get<1>(key) == cancel.attempt()) engine_.Cancel(id);
  }
}

void ServerLink::Keep(v1::ImageCheckpoint checkpoint) {
  const absl::MutexLock lock(&mutex_);
  v1::ImageCheckpoint& kept = kept_[{checkpoint.image().job_id(), checkpoint.image().image_index()}];
  if (checkpoint.step() > kept.step()) kept = std::move(checkpoint);
}

void ServerLink::HandBackAll() {
  const absl::MutexLock lock(&mutex_);
  for (const auto& [key, id] : running_) engine_.HandBack(id);
}

void ServerLink::Drain(absl::Duration limit) {
  std::shared_ptr<Stream> stream;
  {
    const absl::MutexLock lock(&mutex_);
    draining_ = true;
    stream = stream_;
  }
  if (stream != nullptr) {
    v1::ConnectRequest message;
    message.mutable_draining();
    stream->Send(std::move(message));
  }
  {
    const absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(NothingRuns, &running_), limit);
  }
  HandBackAll();
  {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(NothingRuns, &running_));
    stopping_ = true;
  }
  if (stream != nullptr) {
    stream->CloseAfterSending();
    if (!stream->WaitForEnd(kFlushLimit)) stream->Abort();
  }
}

}  // namespace mind
