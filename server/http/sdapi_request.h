// What A1111's txt2img and img2img ask for, as a request of ours.
#ifndef MIND_SERVER_HTTP_SDAPI_REQUEST_H_
#define MIND_SERVER_HTTP_SDAPI_REQUEST_H_

#include <string>

#include "absl/status/statusor.h"
#include "mind/v1/generation.pb.h"
#include "nlohmann/json.hpp"
#include "server/http/message.h"

namespace mind::server {

struct SdapiRequest {
  v1::JobRequest job;
  std::string task_id;  // force_task_id
  bool sets_clip_skip = false;
  bool sets_vae = false;        // be it to the model's own
  bool keeps_settings = false;  // override_settings are the caller's options from now on
  bool send_images = true;
  nlohmann::json echo;  // the request, as the answer repeats it
};

// What A1111 does with a field and we cannot is refused by name; what changes nothing here, and what nobody
// knows, is passed over. INVALID_ARGUMENT names the field as A1111 calls it.
absl::StatusOr<SdapiRequest> ParseTxt2Img(const HttpRequest& request);
absl::StatusOr<SdapiRequest> ParseImg2Img(const HttpRequest& request);

inline constexpr int64_t kMostSdapiPixels = 1 << 20;  // a side
inline constexpr double kSdapiStrength = 0.75;        // A1111's, where a request says none

// Whether a field says anything: not null, and no empty text, list or object.
bool IsSomething(const nlohmann::json* value);

// The model that a checkpoint's title means: "emoji [1a2b3c]" and "emoji.safetensors" are "emoji".
std::string ModelOfTitle(const std::string& title);

// The autoencoder that sd_vae means, likewise; empty: the model's own ("Automatic", "None").
std::string VaeOfTitle(const std::string& title);

// Takes "<lora:name:0.8>" out of a prompt, each a LoraUse of the spec; what is left is the spec's prompt.
void ReadPrompt(const std::string& prompt, v1::ImageSpec& spec);

}  // namespace mind::server

#endif  // MIND_SERVER_HTTP_SDAPI_REQUEST_H_
