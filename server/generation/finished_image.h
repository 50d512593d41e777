// A finished picture as the outside gets it.
#ifndef MIND_SERVER_GENERATION_FINISHED_IMAGE_H_
#define MIND_SERVER_GENERATION_FINISHED_IMAGE_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "mind/v1/generation.pb.h"
#include "server/store/job_store.h"

namespace mind::server {

// Of what the store has found, or why there is none: NOT_FOUND, FAILED_PRECONDITION, or the store's own
// error. `job` as it was when the store was asked. Takes time in proportion to the picture: not for the loop.
absl::StatusOr<v1::GetImageResponse> FinishedImage(const v1::Job& job, uint32_t index,
                                                   const absl::StatusOr<std::optional<StoredImage>>& found);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_FINISHED_IMAGE_H_
