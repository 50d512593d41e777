#include "worker/link/stream.h"

namespace mind {
namespace {

bool SamePicture(const v1::ImageRef& a, const v1::ImageRef& b) {
  return a.job_id() == b.job_id() && a.attempt() == b.attempt() && a.image_index() == b.image_index();
}

}  // namespace

std::shared_ptr<Stream> Stream::Dial(v1::WorkerService::Stub& stub, Callbacks callbacks) {
  std::shared_ptr<Stream> stream(new Stream(std::move(callbacks)));
  stream->self_ = stream;
  stub.async()->Connect(&stream->context_, stream.get());
  stream->AddHold();  // writes start outside of reactions; let go when reading is over
  stream->StartRead(&stream->incoming_);
  stream->StartCall();
  return stream;
}

bool Stream::Send(v1::ConnectRequest message) {
  const absl::MutexLock lock(&mutex_);
  if (reading_over_ || closing_) return false;
  if (message.has_image_preview()) {
    for (size_t i = writing_ ? 1 : 0; i < outgoing_.size(); ++i) {
      if (outgoing_[i].has_image_preview() &&
          SamePicture(outgoing_[i].image_preview().image(), message.image_preview().image())) {
        outgoing_[i] = std::move(message);
        callbacks_.preview_dropped();
        return true;
      }
    }
  }
  outgoing_.push_back(std::move(message));
  WriteNext();
  return true;
}

void Stream::CloseAfterSending() {
  const absl::MutexLock lock(&mutex_);
  closing_ = true;
  WriteNext();
}

void Stream::WriteNext() {
  if (writing_ || reading_over_) return;
  if (!outgoing_.empty()) {
    writing_ = true;
    StartWrite(&outgoing_.front());
  } else if (closing_) {
    writing_ = true;  // nothing may follow
    StartWritesDone();
  }
}

void Stream::OnWriteDone(bool ok) {
  const absl::MutexLock lock(&mutex_);
  outgoing_.pop_front();
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
  const std::shared_ptr<Stream> self = std::move(self_);
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
