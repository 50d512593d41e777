#include "server/generation/worker_desk.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "proto/support/logging.h"
#include "proto/support/seeds.h"
#include "proto/support/time.h"
#include "server/generation/check_report.h"
#include "server/generation/public_job.h"

namespace mind::server {
namespace {

// Models that are known at most, with those that nobody offers any more: the store and the metrics know them
// by name for good, whoever has thought it up. And what their descriptions may take.
constexpr size_t kMostModels = 4096;
constexpr size_t kMostModelBytes = 256 << 20;

// Whether there is room for what is new in an offer.
absl::Status CheckRoom(const Models& known, const v1::Register& offer) {
  size_t models = known.size(), bytes = 0;
  bool grows = false;
  for (const auto& [name, model] : known) bytes += model.ByteSizeLong();
  for (const v1::Model& model : offer.models()) {
    const auto before = known.find(model.name());
    const size_t freed = before == known.end() ? 0 : before->second.ByteSizeLong();
    if (before == known.end()) ++models;
    bytes = bytes - freed + model.ByteSizeLong();
    grows = grows || model.ByteSizeLong() > freed;
  }
  if (!grows || (models <= kMostModels && bytes <= kMostModelBytes)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kResourceExhausted,
                   absl::StrCat("with this offer ", models, " models would be known, described by ", bytes,
                                " bytes; at most ", kMostModels, " and ", kMostModelBytes, " are"),
                   "TOO_MANY_MODELS");
}

}  // namespace

absl::Status WorkerDesk::Check(const v1::Register& registration) const {
  if (absl::Status status = ValidateTenant(registration.name()); !status.ok()) {
    return InvalidField("register.name",
                        absl::StrCat("\"", Printable(registration.name()), "\" is not a worker's name"));
  }
  if (absl::Status status = CheckRegistration(registration); !status.ok()) return status;
  if (absl::Status status = ModelCatalog::Check(registration); !status.ok()) return status;
  if (absl::Status room = CheckRoom(state_.catalog.models(), registration); !room.ok()) return room;
  return state_.dispatcher.CheckName(registration);
}

absl::Status WorkerDesk::OnRegister(const std::shared_ptr<WorkerSession>& session,
                                    const v1::Register& registration) {
  if (absl::Status bad = Check(registration); !bad.ok()) {
    CountRefused(bad);
    return bad;
  }
  state_.sessions.Close(registration.name(),
                        absl::AbortedError("another worker of the same name has connected"));
  Catalogue(registration);
  state_.sessions.Add(registration.name(), session, registration.uploads());
  LogInfo("worker connected", {{"worker", registration.name()},
                               {"device", registration.device()},
                               {"models", registration.models_size()},
                               {"version", registration.version()}});
  decisions_.CarryOut(state_.dispatcher.OnWorkerConnected(registration, state_.Present()));
  v1::ConnectResponse response;
  response.mutable_registered()->set_lease_ms(
      static_cast<uint32_t>(absl::ToInt64Milliseconds(state_.options.dispatcher.lease)));
  response.mutable_registered()->set_images_progress(true);
  response.mutable_registered()->set_models_offered(true);
  session->Send(std::move(response));
  return absl::OkStatus();
}

void WorkerDesk::Catalogue(const v1::Register& offer) {
  std::vector<v1::Model> changed = state_.catalog.Offer(offer, state_.Now());
  for (v1::Model& model : changed) state_.ledger.Write(SaveModel{std::move(model)});
  if (changed.empty()) return;
  ++unsaved_offers_;
  state_.ledger.WhenDurable([this] { --unsaved_offers_; });
}

void WorkerDesk::TakeOffer(const WorkerSession* session, const std::string& worker,
                           v1::ModelsOffered& offered) {
  v1::Register offer;
  offer.set_name(worker);
  offer.mutable_models()->Swap(offered.mutable_models());
  absl::Status bad = CheckRegistration(offer);
  if (bad.ok()) bad = ModelCatalog::Check(offer);
  if (bad.ok()) bad = CheckRoom(state_.catalog.models(), offer);
  if (!bad.ok()) {
    CountRefused(bad);
    if (const auto shared = state_.sessions.Share(session).lock()) shared->Close(bad);
    return;
  }
  Catalogue(offer);
  LogInfo("worker offers other models", {{"worker", worker}, {"models", offer.models_size()}});
  decisions_.CarryOut(state_.dispatcher.OnModelsOffered(worker, offer.models(), state_.Present()));
}

void WorkerDesk::CountRefused(const absl::Status& bad) const {
  const auto info = GetErrorInfo(bad);
  state_.metrics.reports_refused[info ? info->reason() : "INTERNAL"].Increment();
}

void WorkerDesk::OnMessage(const WorkerSession* session, v1::ConnectRequest message) {
  const std::string worker = state_.sessions.NameOf(session);
  if (worker.empty()) return;
  CutToSize(message);
  if (message.has_capacity()) state_.catalog.Measured(worker, message.capacity());
  if (message.has_models_offered()) return TakeOffer(session, worker, *message.mutable_models_offered());
  if (message.image_result().has_uploaded()) return CheckUpload(session, worker, std::move(message));
  if (IsToBeModerated(worker, message)) return Moderate(worker, std::move(message));
  Take(worker, std::move(message));
}

// --- What lies elsewhere.

void WorkerDesk::CheckUpload(const WorkerSession* session, const std::string& worker,
                             v1::ConnectRequest message) {
  const v1::ImageResult& result = message.image_result();
  const v1::ImageRef image = result.image();
  const bool wanted = state_.dispatcher.Holds(worker, image) || state_.dispatcher.WantsBack(worker, image);
  // There is nothing to find out about what is refused anyway.
  if (!wanted || !CheckResult(state_.dispatcher.Find(image.job_id())->spec(), result).ok()) {
    return Take(worker, std::move(message));
  }
  const std::weak_ptr<WorkerSession> from = state_.sessions.Share(session);
  if (state_.options.objects == nullptr || state_.options.moderator != nullptr) {
    return UploadChecked(
        from, std::move(message),
        absl::FailedPreconditionError(state_.options.objects == nullptr ? "this server knows no place"
                                                                        : "moderation has to see it first"));
  }
  const std::string key = UploadKey(image);
  if (!checking_.insert(key).second) return;
  const v1::UploadedFile file = result.uploaded();
  state_.options.objects->Check(key, file,
                                [this, post = state_.options.post, key, from,
                                 message = std::move(message)](const absl::Status& status) {
                                  post([this, key, from, message, status] {
                                    checking_.erase(key);
                                    UploadChecked(from, message, status);
                                  });
                                });
}

void WorkerDesk::UploadChecked(const std::weak_ptr<WorkerSession>& from, v1::ConnectRequest message,
                               const absl::Status& status) {
  const auto session = from.lock();
  // A worker that has come again brings its picture with it.
  const std::string worker = session == nullptr ? "" : state_.sessions.NameOf(session.get());
  if (worker.empty()) return;
  if (status.ok()) return Take(worker, std::move(message));
  const v1::ImageRef& image = message.image_result().image();
  state_.metrics.uploads_refused.Increment();
  LogWarning("a picture that was uploaded cannot be taken from there: its worker is asked for it",
             {{"job", image.job_id()},
              {"image", image.image_index()},
              {"worker", worker},
              {"error", std::string(status.message())}});
  v1::ConnectResponse wanted;
  *wanted.mutable_wanted()->mutable_image() = image;
  *wanted.mutable_wanted()->mutable_why() = ToProto(status);
  session->Send(std::move(wanted));
}

// --- What is allowed.

bool WorkerDesk::IsToBeModerated(const std::string& worker, const v1::ConnectRequest& message) const {
  if (state_.options.moderator == nullptr || !message.has_image_result()) return false;
  const v1::ImageRef& image = message.image_result().image();
  if (!state_.dispatcher.AcceptsResult(worker, image) && !state_.dispatcher.WantsBack(worker, image)) {
    return false;
  }
  return CheckResult(state_.dispatcher.Find(image.job_id())->spec(), message.image_result()).ok();
}

void WorkerDesk::Moderate(const std::string& worker, v1::ConnectRequest message) {
  v1::ImageResult& result = *message.mutable_image_result();
  const v1::Job job = PublicJob(*state_.dispatcher.Find(result.image().job_id()));
  const auto question = std::make_shared<v1::CheckImageRequest>();
  question->set_tenant(job.tenant());
  question->set_key_id(job.key_id());
  question->set_job_id(job.id());
  question->set_image_index(result.image().image_index());
  *question->mutable_spec() = job.spec();
  question->set_media_type(result.media_type());
  *question->mutable_data() = std::move(*result.mutable_data());
  const size_t bytes = question->data().size();
  moderated_bytes_ += bytes;
  const auto held = std::make_shared<v1::ConnectRequest>(std::move(message));
  state_.options.moderator->CheckImage(
      question, {job.traceparent(), job.tracestate()},
      [this, post = state_.options.post, worker, from = state_.sessions.Find(worker), held, question,
       bytes](const absl::Status& verdict) {
        post([this, worker, from, held, question, bytes, verdict] {
          moderated_bytes_ -= bytes;
          // Who has gone brings it again.
          const auto session = from.lock();
          if (session != nullptr && state_.sessions.NameOf(session.get()) == worker) {
            *held->mutable_image_result()->mutable_data() = std::move(*question->mutable_data());
            Take(worker, std::move(*held), verdict);
          }
          if (moderated_bytes_ >= state_.options.held_bytes) return;
          for (std::function<void()>& then : std::exchange(when_room_, {})) WhenRoom(std::move(then));
        });
      });
}

void WorkerDesk::Take(const std::string& worker, v1::ConnectRequest message, const absl::Status& verdict) {
  const v1::ImageRef finished = message.image_result().image();
  const bool brought = message.has_image_result();
  const bool wanted_back = brought && state_.dispatcher.WantsBack(worker, finished);
  RefuseBadResult(worker, message, verdict);
  if (message.has_image_result()) TakeResult(worker, *message.mutable_image_result());
  if (brought) state_.sessions.ConfirmTaken(worker, finished);
  // Nobody holds what is brought back: what is not allowed ends the job here.
  const Actions actions = wanted_back && !verdict.ok()
                              ? state_.dispatcher.OnCancel(finished.job_id(), verdict, state_.Present())
                          : wanted_back && message.has_image_result()
                              ? state_.dispatcher.OnResultBroughtBack(worker, finished, state_.Present())
                              : state_.dispatcher.OnWorkerMessage(worker, message, state_.Present());
  if (message.has_image_checkpoint()) state_.checkpoints.Note(message.image_checkpoint().image());
  if (message.has_image_handed_back()) state_.checkpoints.Note(message.image_handed_back().image());
  if (message.has_image_progress()) ShowProgress(worker, message.image_progress());
  for (const v1::ImageProgress& progress : message.images_progress().images()) ShowProgress(worker, progress);
  if (message.has_image_stage() && state_.dispatcher.Holds(worker, message.image_stage().image())) {
    ShowStage(message.image_stage());
  }
  // Of a picture that may not be allowed nothing is shown.
  if (message.has_image_preview() && state_.options.moderator == nullptr &&
      state_.dispatcher.Holds(worker, message.image_preview().image())) {
    const absl::Status bad = CheckPreview(message.image_preview());
    bad.ok() ? decisions_.ShowPreview(std::move(*message.mutable_image_preview())) : CountRefused(bad);
  }
  decisions_.CarryOut(actions);
}

void WorkerDesk::RefuseBadResult(const std::string& worker, v1::ConnectRequest& message,
                                 const absl::Status& verdict) const {
  if (!message.has_image_result()) return;
  const v1::ImageRef image = message.image_result().image();
  if (!state_.dispatcher.Holds(worker, image) && !state_.dispatcher.WantsBack(worker, image)) return;
  const v1::Job& job = *state_.dispatcher.Find(image.job_id());
  const absl::Status bad = verdict.ok() ? CheckResult(job.spec(), message.image_result()) : verdict;
  if (bad.ok()) return;
  if (verdict.ok()) {
    CountRefused(bad);
  } else {
    nlohmann::ordered_json facts = ReasonFacts(verdict);
    facts["image"] = image.image_index();
    state_.Record("image_blocked", job, facts);
  }
  *message.mutable_image_failure()->mutable_image() = image;
  *message.mutable_image_failure()->mutable_error() = ToProto(bad);
}

void WorkerDesk::TakeResult(const std::string& worker, v1::ImageResult& result) {
  const v1::ImageRef& ref = result.image();
  if (!state_.dispatcher.AcceptsResult(worker, ref) && !state_.dispatcher.WantsBack(worker, ref)) {
    state_.metrics.late_results.Increment();
    LogWarning("late result refused",
               {{"job", Printable(ref.job_id())}, {"attempt", ref.attempt()}, {"worker", worker}});
    return;
  }
  const v1::Job& job = *state_.dispatcher.Find(ref.job_id());
  const uint64_t sequence = state_.events.Reserve(job.id());
  AddImage image{.job_id = job.id(),
                 .index = ref.image_index(),
                 .seed = SeedOf(job.spec(), ref.image_index()),
                 .media_type = result.media_type(),
                 .sequence = sequence};
  if (result.has_uploaded()) {
    image.object = StoredObject{UploadKey(ref), result.uploaded().sha256()};
  } else {
    image.data = std::make_shared<const std::string>(std::move(*result.mutable_data()));
  }
  state_.ledger.Write(std::move(image));
  state_.ledger.WhenDurable([this, job, came = state_.Now(), index = ref.image_index(), sequence] {
    state_.metrics.images[job.spec().model()].Increment();
    state_.traces.OnStored(job, index, came, state_.Now());
    v1::JobEvent event;
    event.mutable_image()->set_image_index(index);
    state_.events.PublishAt(job.id(), sequence, std::move(event));
  });
}

void WorkerDesk::ShowProgress(const std::string& worker, const v1::ImageProgress& progress) {
  if (!state_.dispatcher.Holds(worker, progress.image())) return;
  const std::string& id = progress.image().job_id();
  v1::JobEvent event;
  event.mutable_progress()->set_image_index(progress.image().image_index());
  event.mutable_progress()->set_step(progress.step());
  event.mutable_progress()->set_steps(progress.steps());
  if (const auto remaining = state_.dispatcher.EstimatedRemaining(id)) {
    *event.mutable_progress()->mutable_estimated_remaining() = ToDuration(*remaining);
  }
  state_.events.Publish(id, std::move(event));
}

void WorkerDesk::ShowStage(const v1::ImageStage& stage) {
  // One of a newer worker's that is not known here would say nothing.
  if (!v1::Stage_IsValid(stage.stage()) || stage.stage() == v1::STAGE_UNSPECIFIED) return;
  v1::JobEvent event;
  event.mutable_stage()->set_image_index(stage.image().image_index());
  event.mutable_stage()->set_stage(stage.stage());
  state_.events.Publish(stage.image().job_id(), std::move(event));
}

void WorkerDesk::OnClosed(const WorkerSession* session) {
  const std::string name = state_.sessions.NameOf(session);
  if (name.empty()) return;
  state_.sessions.Remove(name);
  state_.catalog.Withdraw(name, state_.Now());
  const size_t running = state_.dispatcher.RunningImages(name);
  if (running > 0) state_.metrics.workers_lost.Increment();
  LogInfo("worker disconnected", {{"worker", name}, {"running_images", running}});
  decisions_.CarryOut(state_.dispatcher.OnWorkerLost(name, state_.Present()));
}

bool WorkerDesk::HasRoom() const {
  return moderated_bytes_ < state_.options.held_bytes && state_.ledger.HasRoom();
}

void WorkerDesk::WhenRoom(std::function<void()> then) {
  if (moderated_bytes_ < state_.options.held_bytes) return state_.ledger.WhenRoom(std::move(then));
  when_room_.push_back(std::move(then));
}

void WorkerDesk::WhenReadable(const WorkerSession* session, std::function<void()> then) {
  if (HasRoom()) return then();
  const std::string worker = state_.sessions.NameOf(session);
  unread_.insert(worker);
  WhenRoom([this, worker, then = std::move(then)] {
    unread_.erase(worker);
    then();
  });
}

void WorkerDesk::OnTick() {
  state_.sessions.OnTick(state_.options.steady_clock());
  for (const std::string& worker : unread_) {
    decisions_.CarryOut(state_.dispatcher.OnWorkerMessage(worker, v1::ConnectRequest(), state_.Present()));
  }
}

}  // namespace mind::server
