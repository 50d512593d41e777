#include "server/http/openai_request.h"

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "server/http/data_url.h"
#include "server/http/form_object.h"
#include "server/http/json_fields.h"
#include "server/http/multipart.h"
#include "server/http/openai_extensions.h"
#include "worker/image/alpha_mask.h"

namespace mind::server {
namespace {

constexpr int64_t kMostOpenAiPictures = 10;
constexpr int64_t kMostPartials = 3;

v1::ImageFormat FormatOf(const std::string& name) {
  if (name == "jpeg") return v1::IMAGE_FORMAT_JPEG;
  if (name == "webp") return v1::IMAGE_FORMAT_WEBP;
  return v1::IMAGE_FORMAT_PNG;
}

void ReadSize(JsonFields& fields, OpenAiRequest& request) {
  const std::optional<std::string> size = fields.Text("size");
  if (!size || *size == "auto") return;
  const std::pair<absl::string_view, absl::string_view> sides =
      absl::StrSplit(*size, absl::MaxSplits('x', 1));
  uint32_t width = 0, height = 0;
  if (!absl::SimpleAtoi(sides.first, &width) || !absl::SimpleAtoi(sides.second, &height)) {
    return fields.Refuse("size",
                         absl::StrCat("size must be \"auto\" or WIDTHxHEIGHT, \"512x512\" say; given: ",
                                      Printable(*size, 40)));
  }
  request.size = *size;
  request.job.mutable_spec()->set_width(width);
  request.job.mutable_spec()->set_height(height);
}

void ReadQuality(JsonFields& fields, OpenAiRequest& request) {
  const auto quality = fields.Choice("quality", {"auto", "low", "medium", "high", "standard", "hd"});
  if (!quality) return;
  request.quality_name = *quality;
  if (*quality == "low") request.quality = Quality::kLow;
  if (*quality == "high" || *quality == "hd") request.quality = Quality::kHigh;
}

// What OpenAI has and we have not.
void RefuseUnsupportedOpenAi(JsonFields& fields) {
  if (fields.Choice("background", {"auto", "opaque", "transparent"}) == "transparent") {
    fields.Refuse("background", "transparent backgrounds are not supported; \"opaque\" and \"auto\" are");
  }
}

void ReadFormat(JsonFields& fields, OpenAiRequest& request) {
  v1::ImageSpec& spec = *request.job.mutable_spec();
  if (const auto format = fields.Choice("output_format", {"png", "jpeg", "webp"}))
    request.output_format = *format;
  spec.set_format(FormatOf(request.output_format));
  const auto compression = fields.Whole("output_compression", 0, 100);
  if (!compression) return;
  if (spec.format() == v1::IMAGE_FORMAT_PNG) {
    if (*compression == 100) return;
    return fields.Refuse(
        "output_compression",
        absl::StrCat("output_compression is for jpeg and webp; for png only 100 is allowed, given: ",
                     *compression));
  }
  // A WebP that may lose nothing is lossless; what is called 0 is the least that the formats have.
  if (spec.format() == v1::IMAGE_FORMAT_WEBP && *compression == 100) return;
  spec.set_quality(static_cast<uint32_t>(std::max<int64_t>(*compression, 1)));
}

// After `stream` is known.
void ReadResponseFormat(JsonFields& fields, OpenAiRequest& request) {
  request.links = fields.Choice("response_format", {"b64_json", "url"}) == "url";
  if (request.links && request.stream) {
    fields.Refuse("response_format", "with stream pictures come as b64_json; \"url\" is for answers in full");
  }
}

void ReadOpenAiFields(JsonFields& fields, OpenAiRequest& request) {
  v1::ImageSpec& spec = *request.job.mutable_spec();
  if (const auto prompt = fields.Text("prompt")) {
    spec.set_prompt(*prompt);
  } else {
    fields.Refuse("prompt", "a prompt is required");
  }
  if (const auto model = fields.Text("model"); model && !IsOpenAiModel(*model)) spec.set_model(*model);
  spec.set_image_count(static_cast<uint32_t>(fields.Whole("n", 1, kMostOpenAiPictures).value_or(1)));
  ReadSize(fields, request);
  ReadQuality(fields, request);
  ReadFormat(fields, request);
  request.stream = fields.Flag("stream").value_or(false);
  ReadResponseFormat(fields, request);
  request.partial_images = static_cast<int>(fields.Whole("partial_images", 0, kMostPartials).value_or(0));
  RefuseUnsupportedOpenAi(fields);
  ReadOpenAiExtensions(fields, request.job);
}

// Answers in full need no previews; those that stream some need them this often.
void SetPreviews(OpenAiRequest& request) {
  if (!request.stream || request.partial_images == 0) request.job.mutable_spec()->set_preview_every(0);
}

void SetIdempotency(const HttpRequest& http, OpenAiRequest& request) {
  if (const std::string& key = http.Header("idempotency-key"); !key.empty()) request.job.set_request_id(key);
}

// A picture out of {"image_url": "data:…"} or the data URL itself.
std::optional<std::string> PictureOf(const nlohmann::json& value, const std::string& name,
                                     JsonFields& fields) {
  const nlohmann::json* url = &value;
  if (value.is_object() && value.contains("image_url")) url = &value["image_url"];
  if (url->is_string()) {
    if (std::optional<std::string> bytes = FromDataUrl(url->get<std::string>())) return bytes;
  }
  fields.Refuse(name,
                absl::StrCat(name,
                             " must be a data URL (\"data:image/png;base64,…\"): files and other URLs are "
                             "not fetched"));
  return std::nullopt;
}

struct EditPictures {
  std::vector<std::string> images;
  std::optional<std::string> mask;
};

// Those behind the first are what models go by that change pictures, before others that the request has said
// by that name.
void SetFurther(std::vector<std::string> images, v1::ImageSpec& spec) {
  for (std::string& named : *spec.mutable_reference_images()) images.push_back(std::move(named));
  spec.clear_reference_images();
  for (size_t i = 1; i < images.size(); ++i) spec.add_reference_images(std::move(images[i]));
}

void SetPictures(EditPictures pictures, JsonFields& fields, v1::ImageSpec& spec) {
  if (!fields.status().ok()) return;
  if (pictures.images.empty()) return fields.Refuse("image", "a picture to edit is required");
  spec.set_source_image(std::move(pictures.images.front()));
  SetFurther(std::move(pictures.images), spec);
  if (!pictures.mask) return;
  try {
    std::optional<std::string> mask = image::MaskOfTransparency(*pictures.mask);
    spec.set_mask_image(mask ? *std::move(mask) : *std::move(pictures.mask));
  } catch (const std::runtime_error& e) {
    fields.Refuse("mask", absl::StrCat("the mask cannot be read: ", e.what()));
  }
}

absl::StatusOr<OpenAiRequest> ParseEditForm(const HttpRequest& http) {
  const auto parts = ParseForm(http.Header("content-type"), http.body);
  if (!parts.ok()) return parts.status();
  nlohmann::json texts = nlohmann::json::object();
  EditPictures pictures;
  for (const FormPart& part : *parts) {
    const std::string name(absl::StripSuffix(part.name, "[]"));
    if (name == "image") {
      pictures.images.emplace_back(part.data);
    } else if (name == "mask") {
      pictures.mask = std::string(part.data);
    } else {
      // What is a file may be no text; pictures of ours are read from base64.
      std::string text = part.filename.empty() ? std::string(part.data) : absl::Base64Escape(part.data);
      if (absl::Status error = PutFormField(part.name, std::move(text), texts); !error.ok()) return error;
    }
  }
  OpenAiRequest request;
  JsonFields fields(texts, /*from_form=*/true);
  ReadOpenAiFields(fields, request);
  SetPictures(std::move(pictures), fields, *request.job.mutable_spec());
  if (!fields.status().ok()) return fields.status();
  return request;
}

absl::StatusOr<OpenAiRequest> ParseEditJson(const HttpRequest& http) {
  const absl::StatusOr<nlohmann::json> object = ParseJsonObject(http.body);
  if (!object.ok()) return object.status();
  OpenAiRequest request;
  JsonFields fields(*object);
  ReadOpenAiFields(fields, request);
  EditPictures pictures;
  for (const char* const name : {"images", "image"}) {
    const nlohmann::json* const given = fields.Any(name);
    if (given == nullptr) continue;
    const nlohmann::json images = given->is_array() ? *given : nlohmann::json::array({*given});
    for (const nlohmann::json& image : images) {
      if (auto bytes = PictureOf(image, name, fields)) pictures.images.push_back(*std::move(bytes));
    }
    break;
  }
  if (const nlohmann::json* const mask = fields.Any("mask")) pictures.mask = PictureOf(*mask, "mask", fields);
  SetPictures(std::move(pictures), fields, *request.job.mutable_spec());
  if (!fields.status().ok()) return fields.status();
  return request;
}

}  // namespace

bool IsOpenAiModel(const std::string& name) {
  return absl::StartsWith(name, "gpt-image-") || absl::StartsWith(name, "dall-e-");
}

absl::StatusOr<OpenAiRequest> ParseGeneration(const HttpRequest& http) {
  const absl::StatusOr<nlohmann::json> object = ParseJsonObject(http.body);
  if (!object.ok()) return object.status();
  OpenAiRequest request;
  JsonFields fields(*object);
  ReadOpenAiFields(fields, request);
  if (!fields.status().ok()) return fields.status();
  SetPreviews(request);
  SetIdempotency(http, request);
  return request;
}

absl::StatusOr<OpenAiRequest> ParseEdit(const HttpRequest& http) {
  const bool form = absl::StartsWithIgnoreCase(http.Header("content-type"), "multipart/form-data");
  absl::StatusOr<OpenAiRequest> request = form ? ParseEditForm(http) : ParseEditJson(http);
  if (!request.ok()) return request;
  SetPreviews(*request);
  SetIdempotency(http, *request);
  return request;
}

void SetSteps(const v1::Model& model, OpenAiRequest& request) {
  v1::ImageSpec& spec = *request.job.mutable_spec();
  if (!spec.has_steps() && request.quality == Quality::kLow)
    spec.set_steps(std::max(model.default_steps() / 2, 1U));
  if (!spec.has_steps() && request.quality == Quality::kHigh) {
    spec.set_steps(std::min(model.default_steps() * 2, std::max(model.max_steps(), 1U)));
  }
  if (request.partial_images > 0) {
    const uint32_t steps = spec.has_steps() ? spec.steps() : model.default_steps();
    spec.set_preview_every(std::max(steps / static_cast<uint32_t>(request.partial_images + 1), 1U));
  }
}

}  // namespace mind::server
