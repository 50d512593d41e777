#include "server/generation/finished_image.h"

#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "proto/support/errors.h"
#include "server/generation/outcome.h"

namespace mind::server {
namespace {

absl::Status NoImage(const v1::Job& job, uint32_t index) {
  const uint32_t count = job.spec().image_count();
  if (index >= count) {
    return NotFound(
        "image", absl::StrCat(job.id(), "/", index),
        absl::StrCat("the job ", job.id(), " has no picture ", index, "; it has 0 to ", count - 1));
  }
  if (!job.has_end_time()) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     absl::StrCat("picture ", index, " of the job ", job.id(), " is not made yet"),
                     "PICTURE_NOT_READY", {{"job", job.id()}, {"image", absl::StrCat(index)}});
  }
  if (job.state() != v1::JOB_STATE_SUCCEEDED) {
    const std::string outcome = OutcomeName(job.state());
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     absl::StrCat("the job ", job.id(), " has ended without picture ", index, ": ", outcome),
                     "JOB_ENDED", {{"state", outcome}});
  }
  return MakeError(absl::StatusCode::kDataLoss,
                   absl::StrCat("picture ", index, " of job ", job.id(), " is no longer there"),
                   "PICTURE_GONE", {{"job", job.id()}, {"image", absl::StrCat(index)}});
}

}  // namespace

absl::StatusOr<v1::GetImageResponse> FinishedImage(const v1::Job& job, uint32_t index,
                                                   const absl::StatusOr<std::optional<StoredImage>>& found) {
  if (!found.ok()) return found.status();
  if (!found->has_value()) return NoImage(job, index);
  const StoredImage& image = **found;
  v1::GetImageResponse response;
  response.set_data(image.data);
  response.set_media_type(image.media_type);
  response.set_seed(image.seed);
  response.set_size(image.data.size());
  response.set_sha256(absl::BytesToHexString(Sha256(image.data)));
  return response;
}

}  // namespace mind::server
