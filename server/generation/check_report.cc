#include "server/generation/check_report.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/dispatch/worker.h"

namespace mind::server {
namespace {

// Of 4096×4096 pixels as JPEG, with room to spare. One message to a client carries a whole preview.
constexpr size_t kMaxPreviewBytes = 3 << 20;

// Of what a worker says of itself, far beyond what any has.
constexpr int kMaxModels = 256;
constexpr size_t kMaxModelBytes = 1 << 20;
constexpr size_t kMaxModelName = 200;
constexpr size_t kMaxWord = 200;  // device, version, instance
constexpr int kMaxSpeeds = 4 * kMaxModels;

// An error's details are some numbers and names.
constexpr size_t kMaxErrorDetails = 4 << 10;

// Pictures are no larger than their pixels, four times as many in each direction where a model enlarges, and
// the text beside them.
constexpr uint64_t kBytesAPixel = 4 * 16;
constexpr uint64_t kBytesBeside = 4 << 20;
// Of a source picture, which one that is painted in a part of it is as large as (worker/image/decode.h).
constexpr uint64_t kMostSourcePixels = 32 << 20;

constexpr size_t kSha256Bytes = 32;

absl::Status BadResult(const std::string& what) {
  return MakeError(absl::StatusCode::kInternal, "the worker sent a picture " + what, "BAD_RESULT");
}

absl::Status TooMuch(const std::string& field, const std::string& what) {
  return InvalidField(absl::StrCat("register.", field), what);
}

// Of the finished picture; of a model that enlarges, before that.
uint64_t MostPixels(const v1::ImageSpec& spec) {
  if (spec.has_only_masked()) return kMostSourcePixels;
  if (spec.has_hires()) return uint64_t{spec.hires().width()} * spec.hires().height();
  return uint64_t{spec.width()} * spec.height();
}

void CutProgress(v1::ImageProgress& progress) {
  progress.set_step(std::min(progress.step(), progress.steps()));
}

void CutError(google::rpc::Status& error) {
  error.set_message(Printable(error.message(), 1000));
  if (error.ByteSizeLong() > kMaxErrorDetails) error.clear_details();
  if (error.code() == 0) {
    error =
        ToProto(MakeError(absl::StatusCode::kInternal, "the worker failed and did not say why", "ENGINE"));
  }
}

template <typename Repeated>
void CutList(Repeated& list, int most) {
  if (list.size() > most) list.DeleteSubrange(most, list.size() - most);
}

}  // namespace

std::string MediaTypeOf(v1::ImageFormat format) {
  switch (format) {
    case v1::IMAGE_FORMAT_JPEG:
      return "image/jpeg";
    case v1::IMAGE_FORMAT_WEBP:
      return "image/webp";
    default:
      return "image/png";
  }
}

absl::Status CheckRegistration(const v1::Register& registration) {
  for (const auto& [field, word] :
       {std::pair("device", &registration.device()), std::pair("version", &registration.version()),
        std::pair("instance", &registration.instance())}) {
    if (word->size() > kMaxWord) {
      return TooMuch(field, absl::StrCat(word->size(), " bytes; at most ", kMaxWord, " are allowed"));
    }
  }
  if (registration.models_size() > kMaxModels) {
    return TooMuch("models",
                   absl::StrCat(registration.models_size(), " models; at most ", kMaxModels, " are allowed"));
  }
  std::set<std::string> names;
  for (const v1::Model& model : registration.models()) {
    const std::string shown = Printable(model.name(), 40);
    if (model.name().size() > kMaxModelName) {
      return TooMuch("models",
                     absl::StrCat("the name \"", shown, "\" has more than ", kMaxModelName, " bytes"));
    }
    if (model.ByteSizeLong() > kMaxModelBytes) {
      return TooMuch("models", absl::StrCat("the description of \"", shown, "\" has more than ",
                                            kMaxModelBytes, " bytes"));
    }
    if (!names.insert(model.name()).second) {
      return TooMuch("models", absl::StrCat("two are named \"", shown, "\""));
    }
  }
  return absl::OkStatus();
}

void CutToSize(v1::ConnectRequest& report) {
  if (report.has_capacity()) {
    CutList(*report.mutable_capacity()->mutable_speeds(), kMaxSpeeds);
    CutList(*report.mutable_capacity()->mutable_loaded_models(), kMaxModels);
  }
  if (report.has_image_progress()) CutProgress(*report.mutable_image_progress());
  if (report.has_images_progress()) {
    CutList(*report.mutable_images_progress()->mutable_images(), static_cast<int>(Worker::kMaxImages));
    for (v1::ImageProgress& progress : *report.mutable_images_progress()->mutable_images())
      CutProgress(progress);
  }
  if (report.has_image_failure()) CutError(*report.mutable_image_failure()->mutable_error());
}

absl::Status CheckResult(const v1::ImageSpec& spec, const v1::ImageResult& result) {
  const std::string media_type = MediaTypeOf(spec.format());
  if (result.media_type() != media_type) {
    return BadResult(absl::StrCat("of type \"", Printable(result.media_type(), 40), "\" where ", media_type,
                                  " was asked for"));
  }
  const bool uploaded = result.has_uploaded();
  const uint64_t size = uploaded ? result.uploaded().size() : result.data().size();
  if (size == 0) return BadResult("without bytes");
  if (uploaded && !result.data().empty()) return BadResult("both uploaded and with its bytes");
  if (uploaded && result.uploaded().sha256().size() != kSha256Bytes) {
    return BadResult(absl::StrCat("with a SHA-256 of ", result.uploaded().sha256().size(), " bytes"));
  }
  const uint64_t pixels = MostPixels(spec);
  if (size > pixels * kBytesAPixel + kBytesBeside)
    return BadResult(absl::StrCat("of ", size, " bytes where ", pixels, " pixels were asked for"));
  return absl::OkStatus();
}

absl::Status CheckPreview(const v1::ImagePreview& preview) {
  const v1::Preview& picture = preview.preview();
  const bool is_one = picture.image_index() == preview.image().image_index() &&
                      picture.media_type() == "image/jpeg" && !picture.data().empty() &&
                      picture.data().size() <= kMaxPreviewBytes;
  return is_one ? absl::OkStatus()
                : MakeError(absl::StatusCode::kInternal,
                            absl::StrCat("the worker sent a preview that is no JPEG of this picture, or has "
                                         "more than ",
                                         kMaxPreviewBytes, " bytes"),
                            "BAD_PREVIEW");
}

}  // namespace mind::server
