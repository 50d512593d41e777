// Checks a request once, at the edge, and fills in every default. What comes out needs no second look.
#ifndef MIND_SERVER_GENERATION_VALIDATE_H_
#define MIND_SERVER_GENERATION_VALIDATE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "mind/v1/generation.pb.h"
#include "mind/v1/model.pb.h"
#include "server/store/source_pictures.h"
#include "server/trust/caller.h"

namespace mind::server {

struct RequestLimits {
  size_t max_prompt_bytes = 8192;
  size_t max_source_bytes = 16 * 1024 * 1024;
  size_t max_sources_bytes = 48 * 1024 * 1024;  // of all pictures of a request: they travel in one message
  uint32_t max_image_count = 16;
  double max_guidance = 100;
  // Origins that jobs may name as webhooks: "https://studio.example".
  std::vector<std::string> webhook_origins = {};
};

// A request that may be run: spec complete, seed chosen.
struct ValidatedJob {
  v1::ImageSpec spec;
  v1::Priority priority = v1::PRIORITY_NORMAL;
  absl::Time deadline = absl::InfiniteFuture();  // the request's, or by its ttl
  std::string tenant;
  v1::Priority highest_priority = v1::PRIORITY_HIGH;  // the caller's
  uint32_t later_steps = 0;  // that each picture takes beyond the spec's, in later stages or a second pass
  double rows = 0;           // denoiser rows over all pictures: the cost
  double reference_megapixels = 0;  // that each row costs for beside those of its picture

  double megapixels() const { return 1e-6 * spec.width() * spec.height() + reference_megapixels; }
};

using Models = std::map<std::string, v1::Model>;

// The pictures a request brings, as far as can be said without decoding them: the worker does that.
absl::Status CheckPictures(const std::vector<SourcePicture>& pictures, const RequestLimits& limits);

// `random_seed` is taken if the request names none, the model that is `meant` likewise, if it is one;
// request_id is not looked at (request_key.h). Errors name the field, what was given and what is allowed:
// INVALID_ARGUMENT, NOT_FOUND (the model), UNAVAILABLE (no model known yet), DEADLINE_EXCEEDED (already
// passed), PERMISSION_DENIED (the caller's key does not allow the model).
absl::StatusOr<ValidatedJob> Validate(const v1::JobRequest& request, const Caller& caller,
                                      const Models& models, const RequestLimits& limits, uint64_t random_seed,
                                      absl::Time now, const std::vector<std::string>& meant = {});

// The model of that name; if none is given, the one that is meant. Errors as Validate's.
absl::StatusOr<const v1::Model*> FindModel(const std::string& field, const std::string& name,
                                           const Models& models, const std::vector<std::string>& meant);

// What a complete spec costs, in denoiser rows over all its pictures. `model` may be null (no longer known).
double CostInRows(const v1::ImageSpec& spec, const v1::Model* model);

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_VALIDATE_H_
