#include "worker/link/stream.h"

namespace mind {

std::shared_ptr<Stream> Stream::Dial(v1::WorkerService::Stub& stub, Callbacks callbacks,
                                     const std::string& key) {
  std::shared_ptr<Stream> stream(new Stream(std::move(callbacks)));
  if (!key.empty()) stream->context_.AddMetadata("authorization", "Bearer " + key);
  stub.async()->Connect(&stream->context_, stream.get());
  stream->AddHold();  // writes start outside of reactions; let go when reading is over
  stream->StartRead(&stream->incoming_);
  stream->StartCall();
  return stream;
}

bool Stream::Send(ReportPtr report) {
  const absl::MutexLock lock(&mutex_);
  if (reading_over_ || closing_) return false;
  if (outbox_.Put(std::move(report)) == v1::ConnectRequest::kImagePreview) callbacks_.preview_dropped();
  WriteNext();
  return true;
}

void Stream::SendProgressTogether() {
  const absl::MutexLock lock(&mutex_);
  outbox_.SendProgressTogether();
}

void Stream::CloseAfterSending() {
  const absl::MutexLock lock(&mutex_);
  closing_ = true;
  WriteNext();
}

void Stream::WriteNext() {
  if (writing_ || reading_over_) return;
  if (!outbox_.empty()) {
    writing_ = true;
    in_flight_ = outbox_.Take();
    StartWrite(in_flight_.get());
  } else if (closing_) {
    writing_ = true;  // nothing may follow
    StartWritesDone();
  }
}

void Stream::OnWriteDone(bool ok) {
  const absl::MutexLock lock(&mutex_);
  in_flight_ = nullptr;
  writing_ = false;
  if (ok) WriteNext();
}

void Stream::OnReadDone(bool ok) {
  if (ok) {
    callbacks_.message(incoming_);
    incoming_.Clear();
    StartRead(&incoming_);
    return;
  }
  {
    const absl::MutexLock lock(&mutex_);
    reading_over_ = true;
  }
  RemoveHold();
}

void Stream::OnDone(const grpc::Status& status) {
  const absl::MutexLock lock(&mutex_);
  status_ = status;
  ended_ = true;
}

bool Stream::ended() const {
  const absl::MutexLock lock(&mutex_);
  return ended_;
}

bool Stream::WaitForEnd(absl::Duration limit) const {
  const absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithTimeout(absl::Condition(&ended_), limit);
}

grpc::Status Stream::status() const {
  const absl::MutexLock lock(&mutex_);
  return status_;
}

}  // namespace mind
