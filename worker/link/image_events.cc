#include "worker/link/image_events.h"

#include "proto/support/seeds.h"
#include "worker/link/convert.h"

namespace mind {

LogFields ImageEvents::Fields() const {
  return {{"job", image_.job_id()},
          {"attempt", image_.attempt()},
          {"image", image_.image_index()},
          {"trace", trace_id_}};
}

void ImageEvents::OnSideWork(diffusion::SideWork work) {
  trace_.OnSideWork(work);
  v1::ConnectRequest message;
  *message.mutable_image_stage()->mutable_image() = image_;
  message.mutable_image_stage()->set_stage(ToProto(work));
  Report(std::move(message));
}

void ImageEvents::OnStarted(int64_t step) {
  trace_.OnStarted(step);
  if (step > 0) metrics_.resumed.Increment();
  LogFields fields = Fields();
  fields["step"] = step;
  LogInfo("picture started", fields);
  v1::ConnectRequest message;
  *message.mutable_image_started()->mutable_image() = image_;
  message.mutable_image_started()->set_step(static_cast<uint32_t>(step));
  Report(std::move(message));
}

void ImageEvents::OnStep(int64_t step, int64_t steps) {
  trace_.OnStep();
  v1::ConnectRequest message;
  v1::ImageProgress* const progress = message.mutable_image_progress();
  *progress->mutable_image() = image_;
  progress->set_step(static_cast<uint32_t>(step));
  progress->set_steps(static_cast<uint32_t>(steps));
  Report(std::move(message));
}

void ImageEvents::OnPreview(int64_t step, at::Tensor picture) {
  try {
    EncodedPicture encoded = EncodePreview(picture);
    v1::ConnectRequest message;
    *message.mutable_image_preview()->mutable_image() = image_;
    v1::Preview* const preview = message.mutable_image_preview()->mutable_preview();
    preview->set_image_index(image_.image_index());
    preview->set_step(static_cast<uint32_t>(step));
    preview->set_media_type(encoded.media_type);
    preview->set_data(std::move(encoded.data));
    preview->set_width(static_cast<uint32_t>(picture.size(1)));
    preview->set_height(static_cast<uint32_t>(picture.size(0)));
    if (!Report(std::move(message))) return;
    metrics_.previews.Increment();
    trace_.OnEvent("preview", step);
  } catch (const std::exception& e) {
    LogFields fields = Fields();
    fields["error"] = e.what();
    LogWarning("preview not made", fields);
  }
}

void ImageEvents::OnCheckpoint(int64_t step, std::string bytes) {
  if (!CheckpointFits(step, bytes)) return;
  v1::ConnectRequest message;
  v1::ImageCheckpoint* const checkpoint = message.mutable_image_checkpoint();
  *checkpoint->mutable_image() = image_;
  checkpoint->set_step(static_cast<uint32_t>(step));
  checkpoint->set_data(std::move(bytes));
  if (!Report(std::move(message))) return;
  metrics_.checkpoints.Increment();
  trace_.OnEvent("checkpoint", step);
}

void ImageEvents::OnPicture(at::Tensor picture) {
  v1::ConnectRequest message;
  try {
    EncodedPicture encoded = EncodePicture(picture, spec_, image_.image_index(), watermark_);
    if (encoded.data.size() > max_payload_) throw PictureTooLarge(encoded, max_payload_);
    v1::ImageResult* const result = message.mutable_image_result();
    *result->mutable_image() = image_;
    result->set_seed(SeedOf(spec_, image_.image_index()));
    result->set_media_type(encoded.media_type);
    result->set_data(std::move(encoded.data));
  } catch (...) {
    return OnFailed(std::current_exception());
  }
  metrics_.images.Increment();
  trace_.OnEnd("finished");
  LogInfo("picture finished", Fields());
  End(std::move(message));
}

void ImageEvents::OnHandedBack(int64_t step, std::string bytes) {
  v1::ConnectRequest message;
  v1::ImageHandedBack* const handed = message.mutable_image_handed_back();
  *handed->mutable_image() = image_;
  if (CheckpointFits(step, bytes)) {
    handed->set_step(static_cast<uint32_t>(step));
    handed->set_checkpoint(std::move(bytes));
  }
  LogFields fields = Fields();
  fields["step"] = step;
  LogInfo("picture handed back", fields);
  trace_.OnEnd("handed back");
  End(std::move(message));
}

void ImageEvents::OnCancelled(int64_t step) {
  v1::ConnectRequest message;
  *message.mutable_image_cancelled()->mutable_image() = image_;
  message.mutable_image_cancelled()->set_step(static_cast<uint32_t>(step));
  LogFields fields = Fields();
  fields["step"] = step;
  LogInfo("picture cancelled", fields);
  trace_.OnEnd("cancelled");
  End(std::move(message));
}

void ImageEvents::OnFailed(std::exception_ptr error) {
  metrics_.failures.Increment();
  v1::ConnectRequest message;
  v1::ImageFailure* const failure = message.mutable_image_failure();
  *failure->mutable_image() = image_;
  *failure->mutable_error() = ErrorStatus(error);
  LogFields fields = Fields();
  fields["error"] = failure->error().message();
  LogError("picture failed", fields);
  trace_.OnEnd("failed", failure->error().message());
  End(std::move(message));
}

bool ImageEvents::Report(v1::ConnectRequest report) {
  const absl::MutexLock lock(&mutex_);
  return !ended_ && callbacks_.report(std::move(report));
}

void ImageEvents::End(v1::ConnectRequest report) {
  {
    const absl::MutexLock lock(&mutex_);
    ended_ = true;
    callbacks_.report(std::move(report));
  }
  callbacks_.ended();
}

bool ImageEvents::CheckpointFits(int64_t step, const std::string& bytes) {
  if (bytes.size() <= max_payload_) return true;
  if (!told_of_too_large_.exchange(true)) {
    LogFields fields = Fields();
    fields["step"] = step;
    fields["bytes"] = bytes.size();
    fields["allowed"] = max_payload_;
    LogWarning("checkpoint left out: too large for the link", fields);
  }
  return false;
}

}  // namespace mind
