#include <map>
#include <string>

#include "absl/strings/ascii.h"
#include "nlohmann/json.hpp"
#include "proto/support/errors.h"
#include "server/generation/moderator.h"
#include "server/http/openai.h"
#include "server/http/status.h"

namespace mind::server {
namespace {

std::string ErrorType(int status, const absl::Status& error) {
  // As clients know it, with the code that our reason is in lower case.
  const auto info = GetErrorInfo(error);
  if (info && info->reason() == kModerationBlocked) return "image_generation_user_error";
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

// A field of ours by OpenAI's name for it: "job.spec.width" is "size". What OpenAI has no name for has ours:
// "hires.scale".
nlohmann::json ParamOf(const absl::Status& error) {
  const auto bad = GetBadRequest(error);
  if (!bad || bad->field_violations().empty()) return nullptr;
  static const auto* const names = new std::map<std::string, std::string>{
      {"width", "size"},
      {"height", "size"},
      {"image_count", "n"},
      {"steps", "num_inference_steps"},
      {"guidance", "guidance_scale"},
      {"source_image", "image"},
      {"reference_images", "image"},
      {"mask_image", "mask"},
      {"format", "output_format"},
  };
  const std::string& field = bad->field_violations(0).field();
  const size_t spec = field.find("spec.");
  const std::string own =
      spec == std::string::npos ? field.substr(field.rfind('.') + 1) : field.substr(spec + 5);
  const auto name = names->find(own);
  return name == names->end() ? own : name->second;
}

nlohmann::json CodeOf(const absl::Status& error, const nlohmann::json& param) {
  if (param.is_string()) return "invalid_" + param.get<std::string>();
  const auto info = GetErrorInfo(error);
  if (absl::IsNotFound(error) && (!info || info->reason() != "UNKNOWN_URL")) return "model_not_found";
  if (!info || info->reason().empty()) return nullptr;
  return absl::AsciiStrToLower(info->reason());
}

}  // namespace

HttpResponse OpenAiError(const absl::Status& error) {
  const int status = HttpStatusOf(error);
  const nlohmann::json param = ParamOf(error);
  const nlohmann::json body = {{"error",
                                {{"message", std::string(error.message())},
                                 {"type", ErrorType(status, error)},
                                 {"param", param},
                                 {"code", CodeOf(error, param)}}}};
  HttpResponse response = Answered(status, "application/json",
                                   body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  AddRetryHeaders(error, response);
  return response;
}

}  // namespace mind::server
