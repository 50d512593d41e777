#include "server/generation/validate.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "proto/support/errors.h"
#include "proto/support/time.h"
#include "server/generation/labels.h"
#include "server/generation/nearest_names.h"
#include "server/generation/reference_pictures.h"
#include "server/generation/resolve_sampler.h"
#include "server/generation/resolve_spec.h"
#include "server/generation/return_if_error.h"
#include "server/generation/validate_guidance.h"
#include "server/generation/validate_hires.h"
#include "server/generation/validate_later_stages.h"
#include "server/generation/webhook.h"

namespace mind::server {
namespace {

constexpr absl::Duration kMaxTtl = absl::Hours(24 * 3650);

std::string Names(const std::string& given, const Models& models) {
  std::vector<std::string> names;
  for (const auto& [name, model] : models) names.push_back(name);
  return NearestNames(given, names);
}

// Of models that are meant, those that the caller may use.
std::vector<std::string> AllowedModels(const std::vector<std::string>& meant, const Caller& caller) {
  std::vector<std::string> allowed;
  std::copy_if(meant.begin(), meant.end(), std::back_inserter(allowed),
               [&caller](const std::string& model) { return caller.MayUse(model); });
  return allowed;
}

absl::Status CheckModelAllowed(const std::string& model, const Caller& caller) {
  if (caller.MayUse(model)) return absl::OkStatus();
  return MakeError(absl::StatusCode::kPermissionDenied,
                   absl::StrCat("the key ", caller.key_id, " does not allow the model \"", model,
                                "\"; it allows: ", absl::StrJoin(caller.models, ", ")),
                   "MODEL_NOT_ALLOWED", {{"key", caller.key_id}, {"model", model}});
}

// What was asked for, as far as the key allows it: a face may ask for more than it knows its caller to have.
absl::Status ResolvePriority(v1::Priority asked, const Caller& caller, v1::Priority& priority) {
  if (!v1::Priority_IsValid(asked)) {
    return InvalidField("priority", absl::StrCat(static_cast<int>(asked), " is not a Priority"));
  }
  if (asked != v1::PRIORITY_UNSPECIFIED) priority = asked;
  priority = std::min(priority, caller.highest_priority);
  return absl::OkStatus();
}

absl::Status ResolveDeadline(const v1::JobRequest& request, absl::Time now, absl::Time& deadline) {
  if (request.has_deadline() && request.has_ttl()) {
    return InvalidField("ttl", "given together with deadline; one of them says it");
  }
  if (request.has_ttl()) {
    const absl::Duration ttl = IsValid(request.ttl()) ? FromDuration(request.ttl()) : absl::ZeroDuration();
    if (ttl <= absl::ZeroDuration() || ttl > kMaxTtl) {
      return InvalidField("ttl",
                          absl::StrCat(absl::FormatDuration(ttl), " given; it must be more than 0, up to ",
                                       absl::FormatDuration(kMaxTtl)));
    }
    deadline = now + ttl;
  }
  if (!request.has_deadline()) return absl::OkStatus();
  if (!IsValid(request.deadline())) return InvalidField("deadline", "not a valid timestamp");
  deadline = FromTimestamp(request.deadline());
  if (deadline > now) return absl::OkStatus();
  return MakeError(absl::StatusCode::kDeadlineExceeded, "the deadline has already passed",
                   "DEADLINE_EXCEEDED");
}

}  // namespace

absl::Status CheckPictures(const std::vector<SourcePicture>& pictures, const RequestLimits& limits) {
  size_t whole = 0;
  for (const SourcePicture& picture : pictures) {
    const size_t size = picture.blob.data->size();
    whole += size;
    if (whole > limits.max_sources_bytes) {
      return InvalidField(absl::StrCat("spec.", picture.field),
                          absl::StrCat(whole, " bytes given with the pictures before it, at most ",
                                       limits.max_sources_bytes, " are allowed"));
    }
    if (size <= limits.max_source_bytes) continue;
    return InvalidField(
        absl::StrCat("spec.", picture.field),
        absl::StrCat(size, " bytes given, at most ", limits.max_source_bytes, " are allowed"));
  }
  return absl::OkStatus();
}

absl::StatusOr<const v1::Model*> FindModel(const std::string& field, const std::string& name,
                                           const Models& models, const std::vector<std::string>& meant) {
  if (models.empty()) {
    return WithRetry(
        MakeError(absl::StatusCode::kUnavailable, "no worker has offered a model yet", "NO_MODELS"),
        absl::Seconds(5));
  }
  if (!IsValidUtf8(name)) return InvalidField(field, "not valid UTF-8");
  if (name.empty()) {
    if (meant.size() == 1 && models.count(meant.front()) != 0) return &models.at(meant.front());
    return InvalidField(
        field, meant.empty() ? absl::StrCat("which one? The server knows: ", Names(name, models))
                             : absl::StrCat("which one? These fit the request: ", NearestNames(name, meant)));
  }
  const auto found = models.find(name);
  if (found == models.end()) {
    return NotFound(
        "model", Printable(name),
        absl::StrCat("no model is named \"", Printable(name), "\"; known: ", Names(name, models)));
  }
  return &found->second;
}

absl::StatusOr<ValidatedJob> Validate(const v1::JobRequest& request, const Caller& caller,
                                      const Models& models, const RequestLimits& limits, uint64_t random_seed,
                                      absl::Time now, const std::vector<std::string>& meant) {
  const absl::StatusOr<const v1::Model*> model =
      FindModel("spec.model", request.spec().model(), models, AllowedModels(meant, caller));
  if (!model.ok()) return model.status();
  MIND_RETURN_IF_ERROR(CheckModelAllowed((*model)->name(), caller));

  ValidatedJob job;
  job.spec = request.spec();
  job.tenant = caller.tenant;
  MIND_RETURN_IF_ERROR(ResolveSampler(**model, job.spec));
  MIND_RETURN_IF_ERROR(ResolveSpec(**model, limits, random_seed, job.spec));

  job.highest_priority = caller.highest_priority;
  MIND_RETURN_IF_ERROR(ResolvePriority(request.priority(), caller, job.priority));
  MIND_RETURN_IF_ERROR(ResolveDeadline(request, now, job.deadline));
  MIND_RETURN_IF_ERROR(CheckLabels("labels", request.labels()));
  MIND_RETURN_IF_ERROR(CheckWebhook(request.webhook_url(), limits.webhook_origins));
  job.later_steps = LaterSteps(job.spec, *model) + job.spec.hires().steps();
  job.rows = CostInRows(job.spec, *model);
  job.reference_megapixels = ReferenceMegapixels(job.spec, *model);
  return job;
}

double CostInRows(const v1::ImageSpec& spec, const v1::Model* model) {
  const double evaluations = EvaluationsOfPicture(spec, model) + EvaluationsOfHires(spec, model);
  return (evaluations * RowsPerEvaluation(spec, model) + LaterSteps(spec, model)) * spec.image_count();
}

}  // namespace mind::server
