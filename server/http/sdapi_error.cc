#include "server/http/sdapi_error.h"

#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "proto/support/errors.h"
#include "server/http/status.h"

namespace mind::server {
namespace {

// A field of ours by A1111's name for it: "spec.guidance" is "cfg_scale". What is no field of ours is
// A1111's.
std::string SdapiName(const std::string& field) {
  const size_t spec = field.find("spec.");
  if (spec == std::string::npos) return field;
  static const auto* const names =
      new std::map<std::string, std::string>{{"image_count", "batch_size"},
                                             {"guidance", "cfg_scale"},
                                             {"sampler", "sampler_name"},
                                             {"source_image", "init_images"},
                                             {"reference_images", "extra_images"},
                                             {"mask_image", "mask"},
                                             {"strength", "denoising_strength"},
                                             {"source_fit", "resize_mode"},
                                             {"only_masked", "inpaint_full_res"},
                                             {"hires", "enable_hr"},
                                             {"hires.scale", "hr_scale"},
                                             {"hires.width", "hr_resize_x"},
                                             {"hires.height", "hr_resize_y"},
                                             {"hires.steps", "hr_second_pass_steps"},
                                             {"hires.strength", "denoising_strength"},
                                             {"only_masked.padding", "inpaint_full_res_padding"},
                                             {"clip_skip", "clip_skip"},
                                             {"mask_fill", "inpainting_fill"},
                                             {"vae", "sd_vae"},
                                             {"loras", "prompt, a LoRA"}};
  const std::string last = field.substr(spec + 5);
  const auto name = names->find(last);
  return name == names->end() ? last : name->second;
}

}  // namespace

HttpResponse SdapiError(const absl::Status& error) {
  int status = HttpStatusOf(error);
  std::string detail(error.message());
  if (const auto bad = GetBadRequest(error); bad && !bad->field_violations().empty()) {
    const google::rpc::BadRequest::FieldViolation& violation = bad->field_violations(0);
    const std::string name = SdapiName(violation.field());
    status = name == "sampler_name" ? 404 : 422;
    detail = absl::StrCat(name == "sampler_name" ? "Sampler not found: " : "", name, ": ",
                          violation.description());
  }
  const nlohmann::json body = {{"error", absl::StatusCodeToString(error.code())},
                               {"detail", detail},
                               {"body", ""},
                               {"errors", detail}};
  HttpResponse response = Answered(status, "application/json",
                                   body.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  AddRetryHeaders(error, response);
  return response;
}

}  // namespace mind::server
