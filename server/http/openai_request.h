// What OpenAI's Images API asks for, as a request of ours.
//
// https://platform.openai.com/docs/api-reference/images. Beside its fields ours are taken
// (openai_extensions.h). Fields that nobody knows are passed over, as clients add them.
#ifndef MIND_SERVER_HTTP_OPENAI_REQUEST_H_
#define MIND_SERVER_HTTP_OPENAI_REQUEST_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "mind/v1/generation.pb.h"
#include "mind/v1/model.pb.h"
#include "server/http/message.h"

namespace mind::server {

enum class Quality { kAuto, kLow, kHigh };

struct OpenAiRequest {
  v1::JobRequest job;
  Quality quality = Quality::kAuto;
  bool stream = false;
  bool links = false;  // answered with links to the pictures, not with their bytes
  int partial_images = 0;
  // As answers repeat them.
  std::string size = "auto", quality_name = "auto", output_format = "png";
};

// POST /v1/images/generations. INVALID_ARGUMENT names the field as OpenAI calls it.
absl::StatusOr<OpenAiRequest> ParseGeneration(const HttpRequest& request);
// POST /v1/images/edits, as a form or as JSON with data URLs: one picture, painted anew where the mask is
// transparent, or all of it taken as where to begin; or several, which a model goes by that changes pictures.
absl::StatusOr<OpenAiRequest> ParseEdit(const HttpRequest& request);

// Fills in how many steps the quality means for the model: half of its own, its own, or twice those; unless
// the request says itself.
void SetSteps(const v1::Model& model, OpenAiRequest& request);
// What OpenAI's own models are called means the server's own model.
bool IsOpenAiModel(const std::string& name);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_OPENAI_REQUEST_H_
