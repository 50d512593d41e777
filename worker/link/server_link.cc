#include "worker/link/server_link.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_format.h"
#include "proto/support/logging.h"
#include "worker/link/convert.h"
#include "worker/link/image_events.h"
#include "worker/link/link_reports.h"
#include "worker/link/server_channel.h"
#include "worker/link/upload.h"

namespace mind {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr absl::Duration kRegistrationLimit = absl::Seconds(10);
// Of the time to drain, for the engine to give back what it has not finished.
constexpr double kHandBackShare = 0.2;

absl::Duration Since(SteadyClock::time_point begin) {
  return absl::FromChrono(SteadyClock::now() - begin);
}

std::string RandomInstance() {
  absl::BitGen random;
  return absl::StrFormat("%016x%016x", absl::Uniform<uint64_t>(random), absl::Uniform<uint64_t>(random));
}

}  // namespace

ServerLink::ServerLink(const Options& options, Maker& maker, WorkerMetrics& metrics)
    : options_(options),
      instance_(RandomInstance()),
      maker_(maker),
      metrics_(metrics),
      stub_(v1::WorkerService::NewStub(ServerChannel(options.server, options.credentials))),
      kept_(options.max_kept_bytes),
      thread_([this] { KeepConnected(); }) {}

ServerLink::~ServerLink() {
  if (options_.uploads != nullptr) options_.uploads->Close();
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
    if (stream_ != nullptr) stream_->Abort();
  }
  thread_.join();
  HandBackAll();
  const absl::MutexLock lock(
      &mutex_);  // pictures refer to us until they have ended, and not after (ImageEvents)
  mutex_.Await(absl::Condition(this, &ServerLink::Idle));
}

void ServerLink::KeepConnected() {
  Backoff backoff(options_.backoff);
  for (;;) {
    metrics_.reconnects.Increment();
    const auto [stood, code] = RunStream();
    // Jitter, so that the workers of a restarted server do not all come at the same moment.
    const absl::Duration pause = backoff.Next(stood, code) * absl::Uniform(random_, 0.5, 1.0);
    const absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause)) return;
  }
}

std::pair<absl::Duration, absl::StatusCode> ServerLink::RunStream() {
  std::vector<ReportPtr> offered = Open();
  std::shared_ptr<Stream> stream;
  {
    const absl::MutexLock lock(&mutex_);
    stream = stream_;
  }
  const SteadyClock::time_point dialled = SteadyClock::now();
  SteadyClock::time_point accepted_at;
  bool accepted = false;
  absl::Duration heartbeat = absl::Milliseconds(50);
  while (!stream->WaitForEnd(heartbeat)) {
    {
      const absl::MutexLock lock(&mutex_);
      if (lease_ == absl::InfiniteDuration()) {
        if (Since(dialled) > kRegistrationLimit) stream->Abort();
        continue;
      }
      if (!accepted) accepted_at = SteadyClock::now();
      accepted = true;
      // Four times a lease, and often enough that the server's idea of our speed and models is fresh.
      heartbeat = std::min(lease_ / 4, absl::Seconds(1));
      // A stream that has stood for a lease has carried what it began with.
      if (!offered.empty() && Since(accepted_at) > lease_) {
        std::erase_if(offered, [](const ReportPtr& report) { return report->has_image_result(); });
        kept_.Forget(std::exchange(offered, {}));
      }
    }
    metrics_.connected.Set(1);
    stream->Send(Shared(CapacityNow()));
  }
  Close(stream->status(), accepted);
  return {accepted ? Since(accepted_at) : absl::ZeroDuration(),
          static_cast<absl::StatusCode>(stream->status().error_code())};
}

std::vector<ReportPtr> ServerLink::Open() {
  const absl::MutexLock lock(&mutex_);  // what the server answers finds the stream in its place
  // With the lock: models that change after it are another offer.
  v1::ConnectRequest registration = Registration();
  takes_offers_ = untold_ = false;
  stream_ = Stream::Dial(*stub_,
                         {.message = [this](const v1::ConnectResponse& message) { OnMessage(message); },
                          .preview_dropped = [this] { metrics_.previews_dropped.Increment(); }},
                         options_.key);
  lease_ = absl::InfiniteDuration();
  if (stopping_) stream_->Abort();
  stream_->Send(Shared(std::move(registration)));
  std::vector<ReportPtr> kept = kept_.All();
  for (const ReportPtr& report : kept) {
    if (report->has_image_result()) metrics_.results_resent.Increment();
    stream_->Send(report);
  }
  return kept;
}

void ServerLink::Close(const grpc::Status& status, bool accepted) {
  metrics_.connected.Set(0);
  if (status.error_code() == grpc::StatusCode::ALREADY_EXISTS) {
    LogError("another worker of this name is connected: give one of them another --name",
             {{"server", options_.server}, {"worker", options_.name}, {"error", status.error_message()}});
  } else if (accepted || !status.ok()) {
    LogWarning("stream to the server ended",
               {{"server", options_.server}, {"error", status.error_message()}});
  }
  {
    const absl::MutexLock lock(&mutex_);
    stream_ = nullptr;
  }
  HandBackAll();
  // A step's time; then the next stream can begin with the state of everything.
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(this, &ServerLink::IdleOrStopping), options_.stop_limit);
}

v1::ConnectRequest ServerLink::Registration() const {
  v1::ConnectRequest report;
  v1::Register* const registration = report.mutable_register_();
  registration->set_name(options_.name);
  registration->set_device(options_.device);
  registration->set_version(MIND_VERSION);
  registration->set_instance(instance_);
  registration->set_uploads(options_.uploads != nullptr);
  for (v1::Model& model : maker_.Models()) *registration->add_models() = std::move(model);
  return report;
}

void ServerLink::ModelsChanged() {
  const absl::MutexLock lock(&mutex_);
  if (stream_ == nullptr) return;  // the next one begins with them
  untold_ = true;
  if (lease_ != absl::InfiniteDuration()) OfferModels();
}

void ServerLink::OfferModels() {
  untold_ = false;
  if (!takes_offers_) {
    stream_->Abort();
    return;
  }
  stream_->Send(OfferReport(maker_.Models()));
}

v1::ConnectRequest ServerLink::CapacityNow() {
  v1::ConnectRequest report;
  *report.mutable_capacity() = maker_.Capacity();
  const absl::MutexLock lock(&mutex_);
  metrics_.running_images.Set(static_cast<double>(running_.size()));
  // Pictures of a broken stream that the engine is still at take room that the server does not know of.
  const auto lingering =
      static_cast<uint32_t>(std::count_if(running_.begin(), running_.end(), [this](const auto& entry) {
        return entry.second.stream != stream_;
      }));
  report.mutable_capacity()->set_max_images(options_.max_images - std::min(options_.max_images, lingering));
  return report;
}

void ServerLink::OnMessage(const v1::ConnectResponse& message) {
  if (message.has_registered()) OnRegistered(message.registered());
  if (message.has_assign()) OnAssign(message.assign());
  if (message.has_cancel()) OnCancel(message.cancel());
  if (message.has_taken()) OnTaken(message.taken().image());
  if (message.has_wanted()) OnWanted(message.wanted().image());
}

void ServerLink::OnRegistered(const v1::Registered& registered) {
  LogInfo("registered",
          {{"server", options_.server}, {"worker", options_.name}, {"lease_ms", registered.lease_ms()}});
  const ReportPtr capacity = Shared(CapacityNow());
  const absl::MutexLock lock(&mutex_);
  lease_ = absl::Milliseconds(std::max(registered.lease_ms(), 40U));
  if (stream_ == nullptr) return;
  takes_offers_ = registered.models_offered();
  if (registered.images_progress()) stream_->SendProgressTogether();
  if (untold_) OfferModels();
  if (draining_) stream_->Send(DrainingReport());
  stream_->Send(capacity);
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
        .report = [this, stream = stream_, upload = assigned.upload()](
                      v1::ConnectRequest report) { return Upload(stream, upload, std::move(report)); },
        .ended =
            [this, key] {
              const absl::MutexLock ended_lock(&mutex_);
              running_.erase(key);
            }};
    try {
      const uint64_t id = maker_.Submit(
          ToRequest(assign, assigned),
          std::make_shared<ImageEvents>(image, assign.spec(), metrics_, callbacks, kMaxPayloadBytes,
                                        AttemptTrace::Options{.sink = options_.spans,
                                                              .traceparent = assign.traceparent(),
                                                              .tracestate = assign.tracestate(),
                                                              .worker = options_.name},
                                        options_.watermark));
      running_[key] = {image, id, stream_};
    } catch (...) {  // a request that this version cannot even read, or no memory for it
      const ReportPtr refusal = RefusalReport(image, std::current_exception());
      LogError("assignment refused", {{"job", assign.job_id()},
                                      {"attempt", assign.attempt()},
                                      {"image", assigned.image_index()},
                                      {"error", refusal->image_failure().error().message()}});
      metrics_.failures.Increment();
      stream_->Send(refusal);
    }
  }
}

void ServerLink::OnCancel(const v1::CancelAttempt& cancel) {
  const absl::MutexLock lock(&mutex_);
  for (const auto& [key, running] : running_) {
    if (std::get<0>(key) == cancel.job_id() && std::get<1>(key) == cancel.attempt())
      maker_.Cancel(running.id);
  }
}

void ServerLink::OnTaken(const v1::ImageRef& image) {
  const absl::MutexLock lock(&mutex_);
  kept_.Forget(image);
}

void ServerLink::OnWanted(const v1::ImageRef& image) {
  const absl::MutexLock lock(&mutex_);
  if (stream_ == nullptr) return;
  const ReportPtr kept = kept_.Find(image);
  if (kept != nullptr && kept->has_image_result() && SamePicture(kept->image_result().image(), image)) {
    stream_->Send(kept);
    return;
  }
  // It gave way to others: somebody has to make it again.
  stream_->Send(HandBackReport(image));
}

bool ServerLink::Upload(const std::shared_ptr<Stream>& stream, const v1::Upload& upload,
                        v1::ConnectRequest report) {
  if (options_.uploads == nullptr || upload.url().empty() ||
      report.image_result().data().size() <= upload.above_bytes()) {
    return Report(stream, std::move(report));
  }
  bool stands = false;
  ReportPtr whole;
  {
    const absl::MutexLock lock(&mutex_);
    // Together: whatever stream comes next begins with what is kept by then.
    stands = stream_ == stream;
    if (stands) Keep(whole = Shared(std::move(report)));
  }
  if (!stands) return Report(stream, std::move(report));
  PutFile(*options_.uploads, upload, whole->image_result().data(),
          [this, stream, whole](const absl::StatusOr<v1::UploadedFile>& file) {
            Uploaded(*stream, whole, file);
          });
  return true;
}

void ServerLink::Uploaded(Stream& stream, const ReportPtr& whole,
                          const absl::StatusOr<v1::UploadedFile>& file) {
  const v1::ImageRef& image = whole->image_result().image();
  if (!file.ok()) {
    metrics_.upload_failures.Increment();
    LogWarning("picture not uploaded: it goes to the server",
               {{"job", image.job_id()},
                {"attempt", image.attempt()},
                {"image", image.image_index()},
                {"error", std::string(file.status().message())}});
    stream.Send(whole);
    return;
  }
  metrics_.uploads.Increment();
  stream.Send(UploadedReport(whole->image_result(), *file));
}

void ServerLink::Keep(const ReportPtr& report) {
  for (const ReportPtr& gone : kept_.Note(report)) {
    if (!gone->has_image_result()) continue;
    const v1::ImageRef& image = gone->image_result().image();
    LogWarning("finished picture given up: too many that the server has not taken",
               {{"job", image.job_id()}, {"image", image.image_index()}});
  }
}

bool ServerLink::Report(const std::shared_ptr<Stream>& stream, v1::ConnectRequest report) {
  const ReportPtr shared = Shared(std::move(report));
  std::shared_ptr<Stream> current;
  ReportPtr kept;
  {
    const absl::MutexLock lock(&mutex_);
    Keep(shared);
    current = stream_;
    kept = kept_.Find(*PictureOf(*shared));
  }
  if (stream->Send(shared)) return true;
  const bool fact =
      shared->has_image_checkpoint() || shared->has_image_result() || shared->has_image_handed_back();
  return fact && kept != nullptr && current != nullptr && current != stream && current->Send(kept);
}

void ServerLink::HandBackAll() {
  const absl::MutexLock lock(&mutex_);
  for (const auto& [key, running] : running_) maker_.HandBack(running.id);
}

void ServerLink::HandBackForEngine() {
  for (const auto& [key, running] : running_) {
    if (running.stream != stream_ || stream_ == nullptr) continue;  // the server no longer counts on it
    const ReportPtr handed = HandBackReport(running.image, kept_.Find(running.image));
    LogWarning("picture handed back in the middle of a step", {{"job", running.image.job_id()},
                                                               {"attempt", running.image.attempt()},
                                                               {"image", running.image.image_index()},
                                                               {"step", handed->image_handed_back().step()}});
    stream_->Send(handed);
  }
}

bool ServerLink::Drain(absl::Duration limit) {
  const SteadyClock::time_point begin = SteadyClock::now();
  {
    const absl::MutexLock lock(&mutex_);
    draining_ = true;
    if (stream_ != nullptr) stream_->Send(DrainingReport());
    mutex_.AwaitWithTimeout(absl::Condition(this, &ServerLink::NothingLeft), limit * (1 - kHandBackShare));
  }
  HandBackAll();
  std::shared_ptr<Stream> stream;
  bool idle = false;
  {
    const absl::MutexLock lock(&mutex_);
    idle = mutex_.AwaitWithTimeout(absl::Condition(this, &ServerLink::Idle), limit - Since(begin));
    if (!idle) HandBackForEngine();
    stopping_ = true;
    stream = stream_;
  }
  // What is not where it should be by now goes to the server.
  if (options_.uploads != nullptr) options_.uploads->Close();
  if (stream != nullptr) {
    {
      // Of a picture the server may have to ask others first, and only who is still there is believed.
      const absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(this, &ServerLink::NothingToBeTaken), options_.flush_limit);
    }
    stream->CloseAfterSending();
    if (!stream->WaitForEnd(options_.flush_limit)) stream->Abort();
  }
  return idle;
}

}  // namespace mind
