#include "server/http/sdapi_request.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "proto/support/errors.h"
#include "server/http/json_fields.h"
#include "server/http/sdapi_source.h"

namespace mind::server {
namespace {

constexpr int64_t kMostSdapiPictures = 16;
constexpr int64_t kMostSteps = 100'000;
constexpr uint64_t kMostRandomSeed = 4294967294;

// What A1111 has and we have not, where a request asks for it.
void RefuseUnsupportedSdapi(JsonFields& fields) {
  if (fields.Flag("restore_faces").value_or(false))
    fields.Refuse("restore_faces", "not supported; it must be false");
  for (const char* const text : {"refiner_checkpoint", "infotext", "firstpass_image"}) {
    if (IsSomething(fields.Any(text))) fields.Refuse(text, "not supported; leave it out");
  }
  if (const auto name = fields.Text("script_name"); name && !name->empty()) {
    fields.Refuse("script_name",
                  absl::StrCat("Script '", Printable(*name, 60), "' not found; there are none"));
  }
  if (const nlohmann::json* const scripts = fields.Any("alwayson_scripts"); IsSomething(scripts)) {
    const std::string first = scripts->is_object() ? scripts->begin().key() : "";
    fields.Refuse("alwayson_scripts",
                  absl::StrCat("always on script ", Printable(first, 60), " not found; there are none"));
  }
  if (const nlohmann::json* const styles = fields.Any("styles"); IsSomething(styles)) {
    fields.Refuse("styles", "there are none; write them into the prompt");
  }
  for (const char* const number : {"s_churn", "s_tmin", "s_min_uncond"}) {
    if (fields.Number(number, -1e9, 1e9).value_or(0) != 0)
      fields.Refuse(number, "not supported; it must be 0");
  }
  if (fields.Number("s_noise", -1e9, 1e9).value_or(1) != 1)
    fields.Refuse("s_noise", "not supported; it must be 1");
  for (const char* const side : {"seed_resize_from_h", "seed_resize_from_w"}) {
    if (fields.Whole(side, -1, kMostSdapiPixels).value_or(0) > 0)
      fields.Refuse(side, "not supported; it must be 0 or -1");
  }
}

// "DPM++ 2M" and "Karras" together are "DPM++ 2M Karras", which our samplers have among their other names.
void ReadSampler(JsonFields& fields, v1::ImageSpec& spec) {
  std::string name = fields.Text("sampler_name").value_or("");
  if (name.empty()) name = fields.Text("sampler_index").value_or("");
  spec.set_sampler(name);
  const double eta = fields.Number("eta", 0, 1).value_or(-1);
  if (absl::EqualsIgnoreCase(name, "ddim") && eta >= 0) {
    (*spec.mutable_sampler_parameters())["eta"].set_number_value(eta);
  } else if (eta > 0 && eta < 1) {
    fields.Refuse("eta", "only DDIM is told an eta");
  }
  const std::string given = fields.Text("scheduler").value_or("");
  const std::string scheduler = absl::AsciiStrToLower(given);
  if (scheduler.empty() || scheduler == "automatic") return;
  if (scheduler == "karras" && !name.empty()) {
    if (!absl::EndsWithIgnoreCase(name, "karras")) spec.set_sampler(absl::StrCat(name, " Karras"));
  } else if (scheduler == "karras" || scheduler == "exponential" || scheduler == "beta") {
    (*spec.mutable_sampler_parameters())["schedule"].set_string_value(scheduler);
  } else {
    fields.Refuse("scheduler", absl::StrCat("must be one of Automatic, Karras, Exponential, Beta; given: ",
                                            Printable(given, 60)));
  }
}

// Layers from the last, as A1111 counts them: 1 is all of them.
void ReadClipSkip(JsonFields& fields, const std::string& name, SdapiRequest& request) {
  const auto layers = fields.Whole(name, 0, 64);
  if (!layers) return;
  request.job.mutable_spec()->set_clip_skip(static_cast<uint32_t>(std::max<int64_t>(*layers - 1, 0)));
  request.sets_clip_skip = true;
}

void ReadSettings(JsonFields& fields, SdapiRequest& request) {
  const nlohmann::json* const given = fields.Any("override_settings");
  if (given == nullptr) return;
  if (!given->is_object()) return fields.Refuse("override_settings", "must be an object");
  JsonFields settings(*given, /*from_form=*/true);
  const auto model = settings.Text("sd_model_checkpoint");
  if (model) request.job.mutable_spec()->set_model(ModelOfTitle(*model));
  ReadClipSkip(settings, "CLIP_stop_at_last_layers", request);
  if (const auto vae = settings.Text("sd_vae")) {
    request.job.mutable_spec()->set_vae(VaeOfTitle(*vae));
    request.sets_vae = true;
  }
  const auto format = settings.Text("samples_format");
  if (format && !absl::EqualsIgnoreCase(*format, "png"))
    settings.Refuse("samples_format", "pictures are answered as png");
  if (!settings.status().ok()) {
    const auto bad = GetBadRequest(settings.status());
    fields.Refuse("override_settings." + bad->field_violations(0).field(),
                  bad->field_violations(0).description());
  }
  request.keeps_settings = !fields.Flag("override_settings_restore_afterwards").value_or(true);
}

void ReadCount(JsonFields& fields, v1::ImageSpec& spec) {
  const int64_t size = fields.Whole("batch_size", 1, kMostSdapiPictures).value_or(1);
  const int64_t batches = fields.Whole("n_iter", 1, kMostSdapiPictures).value_or(1);
  if (size * batches > kMostSdapiPictures) {
    fields.Refuse("batch_size", absl::StrCat("n_iter times batch_size may be ", kMostSdapiPictures,
                                             " pictures, given: ", size * batches));
  }
  spec.set_image_count(static_cast<uint32_t>(size * batches));
}

// Never left to us: a seed of ours may be larger than the numbers that JavaScript can hold.
uint64_t SeedIn(JsonFields& fields, const std::string& name) {
  const int64_t seed = fields.Whole(name, -1, INT64_MAX).value_or(-1);
  absl::BitGen random;
  return seed >= 0 ? static_cast<uint64_t>(seed)
                   : absl::Uniform<uint64_t>(absl::IntervalClosed, random, 0, kMostRandomSeed);
}

void ReadSeeds(JsonFields& fields, v1::ImageSpec& spec) {
  spec.set_seed(SeedIn(fields, "seed"));
  const uint64_t other = SeedIn(fields, "subseed");
  const double strength = fields.Number("subseed_strength", 0, 1).value_or(0);
  if (strength == 0) return;
  spec.mutable_variation()->set_seed(other);
  spec.mutable_variation()->set_strength(strength);
}

void ReadSdapiFields(JsonFields& fields, SdapiRequest& request) {
  v1::ImageSpec& spec = *request.job.mutable_spec();
  const std::string prompt = fields.Text("prompt").value_or("");
  if (fields.Flag("disable_extra_networks").value_or(false)) {
    spec.set_prompt(prompt);
  } else {
    ReadPrompt(prompt, spec);
  }
  spec.set_negative_prompt(fields.Text("negative_prompt").value_or(""));
  if (const auto width = fields.Whole("width", 1, kMostSdapiPixels))
    spec.set_width(static_cast<uint32_t>(*width));
  if (const auto height = fields.Whole("height", 1, kMostSdapiPixels))
    spec.set_height(static_cast<uint32_t>(*height));
  if (const auto steps = fields.Whole("steps", 1, kMostSteps)) spec.set_steps(static_cast<uint32_t>(*steps));
  if (const auto guidance = fields.Number("cfg_scale", 0, 100)) spec.set_guidance(*guidance);
  ReadSeeds(fields, spec);
  ReadCount(fields, spec);
  ReadSampler(fields, spec);
  ReadClipSkip(fields, "clip_skip", request);
  ReadSettings(fields, request);
  RefuseUnsupportedSdapi(fields);
  spec.set_tiling(fields.Flag("tiling").value_or(false));
  spec.set_format(v1::IMAGE_FORMAT_PNG);
  request.task_id = fields.Text("force_task_id").value_or("");
  request.send_images = fields.Flag("send_images").value_or(true);
}

// Whether it names something else than the first pass has ("Use same sampler").
bool NamesAnother(JsonFields& fields, const char* name) {
  const auto given = fields.Text(name);
  return given && !given->empty() && !absl::StartsWithIgnoreCase(*given, "use same");
}

void ReadUpscaler(JsonFields& fields, v1::Hires& hires) {
  const std::string given = fields.Text("hr_upscaler").value_or("");
  const std::string name = absl::AsciiStrToLower(given);
  if (name.empty() || name == "latent") return hires.set_upscaler(v1::HIRES_UPSCALER_LATENT);
  // A1111's "None" resizes by Lanczos' filter too.
  if (name == "lanczos" || name == "none") return hires.set_upscaler(v1::HIRES_UPSCALER_LANCZOS);
  fields.Refuse("hr_upscaler",
                absl::StrCat("must be one of Latent, Lanczos, None; given: ", Printable(given, 60)));
}

// What txt2img has beside img2img: hires fix.
void ReadHires(JsonFields& fields, v1::ImageSpec& spec) {
  if (!fields.Flag("enable_hr").value_or(false)) return;
  v1::Hires& hires = *spec.mutable_hires();
  const int64_t width = fields.Whole("hr_resize_x", 0, kMostSdapiPixels).value_or(0);
  const int64_t height = fields.Whole("hr_resize_y", 0, kMostSdapiPixels).value_or(0);
  const auto scale = fields.Number("hr_scale", 0, 1e9);
  if (width > 0) hires.set_width(static_cast<uint32_t>(width));
  if (height > 0) hires.set_height(static_cast<uint32_t>(height));
  if (scale && width == 0 && height == 0) hires.set_scale(*scale);
  const int64_t steps = fields.Whole("hr_second_pass_steps", 0, kMostSteps).value_or(0);
  if (steps > 0) hires.set_steps(static_cast<uint32_t>(steps));
  hires.set_strength(fields.Number("denoising_strength", 0, 1).value_or(kSdapiStrength));
  ReadUpscaler(fields, hires);
  for (const char* const text :
       {"hr_checkpoint_name", "hr_sampler_name", "hr_scheduler", "hr_prompt", "hr_negative_prompt"}) {
    if (NamesAnother(fields, text))
      fields.Refuse(text, "not supported; the second pass has what the first has");
  }
  for (const char* const side : {"firstphase_width", "firstphase_height"}) {
    if (fields.Whole(side, 0, kMostSdapiPixels).value_or(0) > 0)
      fields.Refuse(side, "not supported; width and height are the first pass's");
  }
}

template <typename Read>
absl::StatusOr<SdapiRequest> Parse(const HttpRequest& http, const Read& read) {
  absl::StatusOr<nlohmann::json> object = ParseJsonObject(http.body);
  if (!object.ok()) return object.status();
  SdapiRequest request;
  // Numbers and flags in texts are taken, as A1111 does.
  JsonFields fields(*object, /*from_form=*/true);
  ReadSdapiFields(fields, request);
  read(fields, *request.job.mutable_spec());
  if (!fields.status().ok()) return fields.status();
  // Pictures are repeated only where that is asked for.
  if (!fields.Flag("include_init_images").value_or(false)) {
    for (const char* const picture : {"init_images", "extra_images", "mask"}) {
      if (object->contains(picture)) (*object)[picture] = nullptr;
    }
  }
  request.echo = *std::move(object);
  return request;
}

}  // namespace

bool IsSomething(const nlohmann::json* value) {
  return value != nullptr && !((value->is_string() || value->is_array() || value->is_object()) &&
                               (value->empty() || *value == ""));
}

std::string ModelOfTitle(const std::string& title) {
  absl::string_view name = absl::StripAsciiWhitespace(title);
  if (absl::EndsWith(name, "]") && absl::StrContains(name, " [")) name = name.substr(0, name.rfind(" ["));
  for (const char* const ending : {".safetensors", ".ckpt"}) name = absl::StripSuffix(name, ending);
  return std::string(name);
}

std::string VaeOfTitle(const std::string& title) {
  if (absl::EqualsIgnoreCase(title, "automatic") || absl::EqualsIgnoreCase(title, "none")) return "";
  return ModelOfTitle(title);
}

void ReadPrompt(const std::string& prompt, v1::ImageSpec& spec) {
  constexpr absl::string_view kBegin = "<lora:";
  std::string text;
  absl::string_view left = prompt;
  for (size_t at = left.find(kBegin); at != absl::string_view::npos; at = left.find(kBegin)) {
    const size_t end = left.find('>', at);
    if (end == absl::string_view::npos) break;
    const std::pair<absl::string_view, absl::string_view> use =
        absl::StrSplit(left.substr(at + kBegin.size(), end - at - kBegin.size()), absl::MaxSplits(':', 1));
    double scale = 1;
    if (!use.second.empty() && !absl::SimpleAtod(use.second, &scale)) {
      // Not a LoRA as anybody writes it: it stays what the prompt says.
      absl::StrAppend(&text, left.substr(0, end + 1));
    } else {
      absl::StrAppend(&text, left.substr(0, at));
      v1::LoraUse* const lora = spec.add_loras();
      lora->set_name(std::string(use.first));
      lora->set_scale(scale);
    }
    left.remove_prefix(end + 1);
  }
  absl::StrAppend(&text, left);
  spec.set_prompt(spec.loras().empty() ? text : std::string(absl::StripAsciiWhitespace(text)));
}

absl::StatusOr<SdapiRequest> ParseTxt2Img(const HttpRequest& request) {
  return Parse(request, ReadHires);
}

absl::StatusOr<SdapiRequest> ParseImg2Img(const HttpRequest& request) {
  return Parse(request, ReadSdapiSource);
}

}  // namespace mind::server
