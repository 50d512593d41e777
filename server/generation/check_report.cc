#include "server/generation/check_report.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"

namespace mind::server {
namespace {

// Of 4096×4096 pixels as JPEG, with room to spare. One message to a client carries a whole preview.
constexpr size_t kMaxPreviewBytes = 3 << 20;

std::string MediaType(v1::ImageFormat format) {
  switch (format) {
    case v1::IMAGE_FORMAT_JPEG:
      return "image/jpeg";
    case v1::IMAGE_FORMAT_WEBP:
      return "image/webp";
    default:
      return "image/png";
  }
}

absl::Status BadResult(const std::string& what) {
  return MakeError(absl::StatusCode::kInternal, "the worker sent a picture " + what, "BAD_RESULT");
}

}  // namespace

absl::Status CheckResult(const v1::ImageSpec& spec, const v1::ImageResult& result) {
  const std::string media_type = MediaType(spec.format());
  if (result.media_type() != media_type) {
    return BadResult(absl::StrCat("of type \"", Printable(result.media_type(), 40), "\" where ", media_type,
                                  " was asked for"));
  }
  if (result.data().empty()) return BadResult("without bytes");
  return absl::OkStatus();
}

bool IsPreview(const v1::ImagePreview& preview) {
  const v1::Preview& picture = preview.preview();
  return picture.image_index() == preview.image().image_index() && picture.media_type() == "image/jpeg" &&
         !picture.data().empty() && picture.data().size() <= kMaxPreviewBytes;
}

}  // namespace mind::server
