// Reports of pictures, made and read in one line.
#ifndef MIND_TESTS_UNIT_WORKER_REPORTS_H_
#define MIND_TESTS_UNIT_WORKER_REPORTS_H_

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "worker/link/outbox.h"

namespace mind {

inline v1::ImageRef Ref(const std::string& job, uint32_t index) {
  v1::ImageRef image;
  image.set_job_id(job);
  image.set_attempt(1);
  image.set_image_index(index);
  return image;
}

inline ReportPtr Started(const std::string& job, uint32_t index) {
  v1::ConnectRequest report;
  *report.mutable_image_started()->mutable_image() = Ref(job, index);
  return std::make_shared<const v1::ConnectRequest>(report);
}

inline ReportPtr Stage(const std::string& job, uint32_t index, v1::Stage stage) {
  v1::ConnectRequest report;
  *report.mutable_image_stage()->mutable_image() = Ref(job, index);
  report.mutable_image_stage()->set_stage(stage);
  return std::make_shared<const v1::ConnectRequest>(report);
}

inline ReportPtr Progress(const std::string& job, uint32_t index, uint32_t step) {
  v1::ConnectRequest report;
  *report.mutable_image_progress()->mutable_image() = Ref(job, index);
  report.mutable_image_progress()->set_step(step);
  return std::make_shared<const v1::ConnectRequest>(report);
}

inline ReportPtr Preview(const std::string& job, uint32_t index, uint32_t step) {
  v1::ConnectRequest report;
  *report.mutable_image_preview()->mutable_image() = Ref(job, index);
  report.mutable_image_preview()->mutable_preview()->set_step(step);
  return std::make_shared<const v1::ConnectRequest>(report);
}

inline ReportPtr Checkpoint(const std::string& job, uint32_t index, uint32_t step,
                            const std::string& data = "state") {
  v1::ConnectRequest report;
  *report.mutable_image_checkpoint()->mutable_image() = Ref(job, index);
  report.mutable_image_checkpoint()->set_step(step);
  report.mutable_image_checkpoint()->set_data(data);
  return std::make_shared<const v1::ConnectRequest>(report);
}

inline ReportPtr Result(const std::string& job, uint32_t index, const std::string& data = "picture") {
  v1::ConnectRequest report;
  *report.mutable_image_result()->mutable_image() = Ref(job, index);
  report.mutable_image_result()->set_data(data);
  return std::make_shared<const v1::ConnectRequest>(report);
}

inline ReportPtr Failure(const std::string& job, uint32_t index, absl::StatusCode code) {
  v1::ConnectRequest report;
  *report.mutable_image_failure()->mutable_image() = Ref(job, index);
  report.mutable_image_failure()->mutable_error()->set_code(static_cast<int>(code));
  return std::make_shared<const v1::ConnectRequest>(report);
}

inline ReportPtr Cancelled(const std::string& job, uint32_t index) {
  v1::ConnectRequest report;
  *report.mutable_image_cancelled()->mutable_image() = Ref(job, index);
  return std::make_shared<const v1::ConnectRequest>(report);
}

inline ReportPtr HandedBack(const std::string& job, uint32_t index, uint32_t step, const std::string& data) {
  v1::ConnectRequest report;
  *report.mutable_image_handed_back()->mutable_image() = Ref(job, index);
  report.mutable_image_handed_back()->set_step(step);
  report.mutable_image_handed_back()->set_checkpoint(data);
  return std::make_shared<const v1::ConnectRequest>(report);
}

// "checkpoint job/0 5".
inline std::string LineOf(const v1::ConnectRequest& report) {
  using Kind = v1::ConnectRequest::MessageCase;
  const auto line = [&report](const char* what) {
    const v1::ImageRef& image = *PictureOf(report);
    return absl::StrCat(what, " ", image.job_id(), "/", image.image_index());
  };
  switch (report.message_case()) {
    case Kind::kRegister:
      return "register";
    case Kind::kCapacity:
      return "capacity";
    case Kind::kDraining:
      return "draining";
    case Kind::kImageStarted:
      return line("started");
    case Kind::kImageStage:
      return absl::StrCat(line("stage"), " ", static_cast<int>(report.image_stage().stage()));
    case Kind::kImageProgress:
      return absl::StrCat(line("progress"), " ", report.image_progress().step());
    case Kind::kImagesProgress: {
      std::vector<std::string> pictures;
      for (const v1::ImageProgress& progress : report.images_progress().images()) {
        const v1::ImageRef& image = progress.image();
        pictures.push_back(absl::StrCat(image.job_id(), "/", image.image_index(), " ", progress.step()));
      }
      std::sort(pictures.begin(), pictures.end());
      return absl::StrCat("progress of ", absl::StrJoin(pictures, ", "));
    }
    case Kind::kImagePreview:
      return absl::StrCat(line("preview"), " ", report.image_preview().preview().step());
    case Kind::kImageCheckpoint:
      return absl::StrCat(line("checkpoint"), " ", report.image_checkpoint().step());
    case Kind::kImageResult:
      return line("result");
    case Kind::kImageFailure:
      return line("failure");
    case Kind::kImageCancelled:
      return line("cancelled");
    case Kind::kImageHandedBack:
      return absl::StrCat(line("handed back"), " ", report.image_handed_back().step());
    default:
      return "nothing";
  }
}

}  // namespace mind

#endif  // MIND_TESTS_UNIT_WORKER_REPORTS_H_
