#include "server/generation/worker_sessions.h"

namespace mind::server {
namespace {

constexpr absl::Duration kReadAgain = absl::Seconds(1);

}  // namespace

void WorkerSessions::Add(const std::string& worker, const std::shared_ptr<WorkerSession>& session,
                         bool uploads) {
  if (uploads) uploading_.insert(worker);
  sessions_[worker] = session;
  names_[session.get()] = worker;
}

std::string WorkerSessions::NameOf(const WorkerSession* session) const {
  const auto found = names_.find(session);
  return found == names_.end() ? std::string() : found->second;
}

void WorkerSessions::Remove(const std::string& worker) {
  const auto found = sessions_.find(worker);
  if (found == sessions_.end()) return;
  uploading_.erase(worker);
  names_.erase(found->second.get());
  sessions_.erase(found);
}

void WorkerSessions::Close(const std::string& worker, const absl::Status& status) {
  const std::shared_ptr<WorkerSession> session = Find(worker).lock();
  Remove(worker);
  if (session != nullptr) session->Close(status);
}

void WorkerSessions::CloseAll(const absl::Status& status) {
  names_.clear();
  uploading_.clear();
  for (const auto& [worker, session] : std::exchange(sessions_, {})) session->Close(status);
}

std::weak_ptr<WorkerSession> WorkerSessions::Find(const std::string& worker) const {
  const auto found = sessions_.find(worker);
  return found == sessions_.end() ? std::weak_ptr<WorkerSession>() : found->second;
}

void WorkerSessions::Send(const std::string& worker, v1::ConnectResponse message) {
  if (const auto session = Find(worker).lock()) session->Send(std::move(message));
}

void WorkerSessions::Assign(const std::string& worker, v1::Assign assign, Cannot cannot) {
  const Attempt attempt{assign.job_id(), assign.attempt()};
  Held& held = held_[attempt];
  held.parts.push_back(std::move(assign));
  if (held.parts.size() > 1) return;
  held.to = Find(worker);
  held.cannot = std::move(cannot);
  ledger_.WhenDurable([this, attempt] { Release(attempt); });
}

void WorkerSessions::Release(const Attempt& attempt) {
  const auto held = held_.find(attempt);
  if (held == held_.end()) return;
  const v1::ImageSpec& spec = held->second.parts.front().spec();
  if (!HasPictures(spec)) return Leave(attempt, spec);
  store_.FindSources(attempt.first,
                     [this, post = post_, attempt, spec](absl::StatusOr<PictureBytes> pictures) {
                       absl::StatusOr<v1::ImageSpec> whole = spec;
                       if (!pictures.ok()) {
                         whole = pictures.status();
                       } else if (!PutPictures(*std::move(pictures), *whole)) {
                         whole = absl::DataLossError("a picture that the request brought is no longer there");
                       }
                       post([this, attempt, whole = std::move(whole)]() mutable {
                         if (absl::IsUnavailable(whole.status())) return unread_.push_back(attempt);
                         Leave(attempt, std::move(whole));
                       });
                     });
}

void WorkerSessions::OnTick(absl::Duration now) {
  if (unread_.empty() || now < read_again_) return;
  read_again_ = now + kReadAgain;
  for (const Attempt& attempt : std::exchange(unread_, {})) Release(attempt);
}

void WorkerSessions::Leave(const Attempt& attempt, absl::StatusOr<v1::ImageSpec> spec) {
  auto held = held_.extract(attempt);
  if (held.empty()) return;  // taken back meanwhile
  Held& one = held.mapped();
  const auto session = one.to.lock();
  if (session == nullptr) return;
  for (v1::Assign& assign : one.parts) {
    if (!spec.ok()) {
      one.cannot(assign, spec.status());
      continue;
    }
    v1::ConnectResponse message;
    *message.mutable_assign() = std::move(assign);
    *message.mutable_assign()->mutable_spec() = *spec;
    session->Send(std::move(message));
  }
}

std::vector<v1::Assign> WorkerSessions::TakeBack(const std::string& job_id, uint32_t attempt) {
  auto held = held_.extract({job_id, attempt});
  return held.empty() ? std::vector<v1::Assign>() : std::move(held.mapped().parts);
}

void WorkerSessions::ConfirmTaken(const std::string& worker, const v1::ImageRef& image) {
  ledger_.WhenDurable([image, to = Find(worker)] {
    const auto session = to.lock();
    if (session == nullptr) return;
    v1::ConnectResponse message;
    *message.mutable_taken()->mutable_image() = image;
    session->Send(std::move(message));
  });
}

}  // namespace mind::server
