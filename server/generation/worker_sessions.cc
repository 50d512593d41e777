#include "server/generation/worker_sessions.h"

namespace mind::server {

void WorkerSessions::Add(const std::string& worker, const std::shared_ptr<WorkerSession>& session) {
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
  names_.erase(found->second.get());
  sessions_.erase(found);
}

void WorkerSessions::Close(const std::string& worker, const absl::Status& status) {
  const std::shared_ptr<WorkerSession> session = Find(worker).lock();
  Remove(worker);
  if (session != nullptr) session->Close(status);
}

std::weak_ptr<WorkerSession> WorkerSessions::Find(const std::string& worker) const {
  const auto found = sessions_.find(worker);
  return found == sessions_.end() ? std::weak_ptr<WorkerSession>() : found->second;
}

void WorkerSessions::Send(const std::string& worker, v1::ConnectResponse message) {
  if (const auto session = Find(worker).lock()) session->Send(std::move(message));
}

void WorkerSessions::Assign(const std::string& worker, v1::Assign assign) {
  const Attempt attempt{assign.job_id(), assign.attempt()};
  held_[attempt] = std::move(assign);
  ledger_.WhenDurable([this, attempt, to = Find(worker)] {
    auto held = held_.extract(attempt);
    const auto session = to.lock();
    if (held.empty() || session == nullptr) return;
    v1::ConnectResponse message;
    *message.mutable_assign() = std::move(held.mapped());
    session->Send(std::move(message));
  });
}

std::optional<v1::Assign> WorkerSessions::TakeBack(const std::string& job_id, uint32_t attempt) {
  auto held = held_.extract({job_id, attempt});
  return held.empty() ? std::nullopt : std::optional(std::move(held.mapped()));
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
