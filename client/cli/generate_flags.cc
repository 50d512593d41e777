#include "client/cli/generate_flags.h"

#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/cli/spec_flags.h"
#include "proto/support/flag_types.h"
#include "proto/support/time.h"

namespace mind::cli {
namespace {

FlagReader Whole(std::function<void(uint32_t)> take) {
  return Number<uint32_t>(std::move(take));
}

// The enumerator of this prefix that `text` names in lower case.
template <typename Enum>
FlagReader Enumerator(const std::string& prefix, bool (*parse)(const std::string&, Enum*),
                      const std::string& allowed, std::function<void(Enum)> take) {
  return [=](const std::string& text) -> std::string {
    Enum value;
    const bool listed = absl::StrContains(absl::StrCat("|", allowed, "|"), absl::StrCat("|", text, "|"));
    if (!listed || !parse(absl::StrCat(prefix, absl::AsciiStrToUpper(text)), &value))
      return absl::StrCat("\"", text, "\" is not ", allowed);
    take(value);
    return "";
  };
}

FlagReader File(std::function<std::string*()> bytes) {
  return [bytes = std::move(bytes)](const std::string& path) -> std::string {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream read;
    read << file.rdbuf();
    // A directory opens like a file, and is read like one with nothing in it.
    if (!file || !read) return absl::StrCat("\"", path, "\" cannot be read, or is empty");
    *bytes() = read.str();
    return "";
  };
}

// WIDTHxHEIGHT, into a message that has both.
template <typename Message>
bool ReadSize(const std::string& text, Message& message) {
  const size_t x = text.find('x');
  uint32_t width = 0, height = 0;
  if (x == std::string::npos || !absl::SimpleAtoi(text.substr(0, x), &width) ||
      !absl::SimpleAtoi(text.substr(x + 1), &height))
    return false;
  message.set_width(width);
  message.set_height(height);
  return true;
}

FlagReader Size(v1::ImageSpec* spec) {
  return [spec](const std::string& text) -> std::string {
    if (ReadSize(text, *spec)) return "";
    return absl::StrCat("\"", text, "\" is not WIDTHxHEIGHT in pixels, such as 512x768");
  };
}

FlagReader HiresSize(v1::ImageSpec* spec) {
  return [spec](const std::string& text) -> std::string {
    double scale = 0;
    if (ReadSize(text, *spec->mutable_hires())) return "";
    if (!absl::SimpleAtod(text, &scale))
      return absl::StrCat("\"", text,
                          "\" is neither how many times larger nor WIDTHxHEIGHT, such as 1024x1536");
    spec->mutable_hires()->set_scale(scale);
    return "";
  };
}

FlagReader Lora(v1::ImageSpec* spec) {
  return [spec](const std::string& text) -> std::string {
    const size_t colon = text.rfind(':');
    double scale = 1;
    if (colon != std::string::npos && !absl::SimpleAtod(text.substr(colon + 1), &scale))
      return absl::StrCat("\"", text, "\" is not NAME or NAME:SCALE");
    v1::LoraUse& lora = *spec->add_loras();
    lora.set_name(text.substr(0, colon));
    lora.set_scale(scale);
    return "";
  };
}

// What stands behind the last colon of `text`, taken off; empty: there is none.
std::string TakeLast(std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return "";
  const std::string last = text.substr(colon + 1);
  text.resize(colon);
  return last;
}

// NETWORK=FILE, or NETWORK#KIND=FILE, and of which weight, and in which steps. A file's name may have colons,
// but for such an end.
FlagReader ControlFlag(v1::ImageSpec* spec) {
  return [spec](const std::string& text) -> std::string {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return absl::StrCat("\"", text, "\" is not NETWORK[#KIND]=FILE[:WEIGHT[:FROM-TO]]");
    v1::ControlPicture control;
    std::string network = text.substr(0, equals);
    const size_t hash = network.rfind('#');
    if (uint32_t kind = 0; hash != std::string::npos && absl::SimpleAtoi(network.substr(hash + 1), &kind)) {
      control.set_kind(kind);
      network.resize(hash);
    }
    control.set_network(network);
    std::string path = text.substr(equals + 1), rest = path;
    const std::string last = TakeLast(rest);
    const std::vector<std::string> steps = absl::StrSplit(last, '-');
    double weight = 1, begin = 0, end = 1;
    if (absl::SimpleAtod(last, &weight)) {
      control.set_weight(weight);
      path = rest;
    } else if (steps.size() == 2 && absl::SimpleAtod(steps[0], &begin) && absl::SimpleAtod(steps[1], &end) &&
               absl::SimpleAtod(TakeLast(rest), &weight)) {
      control.set_weight(weight);
      control.set_begin(begin);
      control.set_end(end);
      path = rest;
    }
    const std::string error = File([&control] { return control.mutable_image(); })(path);
    if (error.empty()) *spec->add_controls() = std::move(control);
    return error;
  };
}

// ADAPTER=FILE, and of which weight. A file's name may have colons, but for such an end.
FlagReader PicturePromptFlag(v1::ImageSpec* spec) {
  return [spec](const std::string& text) -> std::string {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos)
      return absl::StrCat("\"", text, "\" is not ADAPTER=FILE[:WEIGHT]");
    v1::PicturePrompt prompt;
    prompt.set_adapter(text.substr(0, equals));
    std::string path = text.substr(equals + 1), rest = path;
    if (double weight = 1; absl::SimpleAtod(TakeLast(rest), &weight)) {
      prompt.set_weight(weight);
      path = rest;
    }
    const std::string error = File([&prompt] { return prompt.mutable_image(); })(path);
    if (error.empty()) *spec->add_picture_prompts() = std::move(prompt);
    return error;
  };
}

// STEPS[:GUIDANCE[:NOISE]], each of which may be empty.
FlagReader LaterStageFlag(v1::ImageSpec* spec) {
  return [spec](const std::string& text) -> std::string {
    const std::vector<std::string> parts = absl::StrSplit(text, ':');
    v1::LaterStage stage;
    uint32_t whole = 0;
    double number = 0;
    bool good = parts.size() <= 3;
    for (size_t i = 0; good && i < parts.size(); ++i) {
      if (parts[i].empty()) continue;
      good = i == 1 ? absl::SimpleAtod(parts[i], &number) : absl::SimpleAtoi(parts[i], &whole);
      if (i == 0) stage.set_steps(whole);
      if (i == 1) stage.set_guidance(number);
      if (i == 2) stage.set_noise_level(whole);
    }
    if (!good) return absl::StrCat("\"", text, "\" is not STEPS[:GUIDANCE[:NOISE]]");
    *spec->add_later_stages() = stage;
    return "";
  };
}

// NAME=VALUE: a number, true or false, numbers separated by commas, or a word.
FlagReader Setting(v1::ImageSpec* spec) {
  return [spec](const std::string& text) -> std::string {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) return absl::StrCat("\"", text, "\" is not NAME=VALUE");
    const std::string given = text.substr(equals + 1);
    google::protobuf::Value value;
    double number = 0;
    if (given == "true" || given == "false") {
      value.set_bool_value(given == "true");
    } else if (absl::SimpleAtod(given, &number)) {
      value.set_number_value(number);
    } else if (absl::StrContains(given, ',')) {
      for (const auto part : absl::StrSplit(given, ',', absl::SkipEmpty())) {
        if (!absl::SimpleAtod(part, &number)) return absl::StrCat("\"", given, "\" is not a list of numbers");
        value.mutable_list_value()->add_values()->set_number_value(number);
      }
    } else {
      value.set_string_value(given);
    }
    (*spec->mutable_sampler_parameters())[text.substr(0, equals)] = value;
    return "";
  };
}

// NAME=TEXT.
FlagReader Label(google::protobuf::Map<std::string, std::string>* labels) {
  return [labels](const std::string& text) -> std::string {
    const size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) return absl::StrCat("\"", text, "\" is not NAME=TEXT");
    (*labels)[text.substr(0, equals)] = text.substr(equals + 1);
    return "";
  };
}

constexpr absl::Duration kYear = absl::Hours(24 * 365);

}  // namespace

void AddGenerateFlags(CLI::App& app, GenerateOptions& options) {
  v1::JobRequest* const request = &options.request;
  v1::ImageSpec* const spec = request->mutable_spec();
  AddFlag(app, "PROMPT", "TEXT", Text([spec](auto& v) { spec->set_prompt(v); }),
          "What the picture shall show");
  GiveTwin(AddFlag(app, "--model", "NAME", Text([spec](auto& v) { spec->set_model(v); }),
                   "May be left out where one fits the request; see `mind models`"));
  AddFlag(app, "--negative", "TEXT", Text([spec](auto& v) { spec->set_negative_prompt(v); }),
          "What it shall not show");
  AddFurtherPromptFlags(app, *spec);
  AddGuidanceFlags(app, *spec);
  AddFlag(app, "--steps", "N", Whole([spec](auto v) { spec->set_steps(v); }), "Denoising steps");
  AddFlag(app, "--sampler", "NAME", Text([spec](auto& v) { spec->set_sampler(v); }), "See `mind samplers`");
  AddRepeatedFlag(app, "--set", "NAME=VALUE", Setting(spec),
                  "What the sampler is told, such as eta=0.5; see `mind samplers`. May be given again");
  AddFlag(app, "--clip-skip", "N", Whole([spec](auto v) { spec->set_clip_skip(v); }),
          "Last text layers to leave out");
  AddFlag(app, "--image", "FILE", File([spec] { return spec->mutable_source_image(); }),
          "Picture to begin with: PNG, JPEG or WebP");
  AddRepeatedFlag(app, "--reference", "FILE", File([spec] { return spec->add_reference_images(); }),
                  "Picture that a model goes by which changes pictures, beside --image or instead; see `mind "
                  "models`. May be given again");
  AddFlag(app, "--mask", "FILE", File([spec] { return spec->mutable_mask_image(); }),
          "Picture, bright where --image is to be painted anew");
  AddFlag(app, "--mask-blur", "N", Real([spec](auto v) { spec->set_mask_blur(v); }),
          "Blurs --mask by so many pixels; what is grey, with 0 too, is painted so far");
  AddFlag(app, "--only-masked", "N", Whole([spec](auto v) { spec->mutable_only_masked()->set_padding(v); }),
          "Paints only the part of --image around what is bright in --mask, with so many pixels around it");
  AddFlag(app, "--fit", "stretch|crop|fill",
          Enumerator<v1::SourceFit>("SOURCE_FIT_", v1::SourceFit_Parse, "stretch|crop|fill",
                                    [spec](auto v) { spec->set_source_fit(v); }),
          "How --image and --mask come to a size of other proportions");
  AddFlag(app, "--mask-fill", "original|surroundings|noise|nothing",
          Enumerator<v1::MaskFill>("MASK_FILL_", v1::MaskFill_Parse, "original|surroundings|noise|nothing",
                                   [spec](auto v) { spec->set_mask_fill(v); }),
          "What is painted in --image begins with, below a --strength of 1");
  AddFlag(app, "--depth", "FILE", File([spec] { return spec->mutable_depth_image(); }),
          "Depth of --image, near is bright");
  AddRepeatedFlag(
      app, "--control", "NETWORK[#KIND]=FILE[:WEIGHT[:FROM-TO]]", ControlFlag(spec),
      "Picture that steers it through one of the model's networks, in the steps from FROM to TO of "
      "1; see `mind models`. May be given again");
  AddRepeatedFlag(app, "--picture-prompt", "ADAPTER=FILE[:WEIGHT]", PicturePromptFlag(spec),
                  "Picture that is a prompt beside the text, through one of the model's adapters; see `mind "
                  "models`. May be given again");
  AddFlag(app, "--class", "CLASS", Text([spec](auto& v) { spec->set_class_label(v); }),
          "Class by number or name, for models that are asked for one");
  AddRepeatedFlag(app, "--lora", "NAME[:SCALE]", Lora(spec),
                  "One of the model's LoRAs; see `mind models`. May be given again");
  AddFlag(app, "--vae", "NAME", Text([spec](auto& v) { spec->set_vae(v); }),
          "Autoencoder in place of the model's own; see `mind models`");
  AddFlag(app, "--noise-level", "N", Whole([spec](auto v) { spec->set_noise_level(v); }),
          "How much an upscaler may change --image, or a variation stray from it");
  AddFlag(app, "--strength", "N", Real([spec](auto v) { spec->set_strength(v); }),
          "How far to go from --image, 0 to 1");
  AddFlag(app, "--seed", "N", Number<uint64_t>([spec](auto v) { spec->set_seed(v); }),
          "Same seed, same picture; random if left out");
  AddFlag(app, "--variation", "N", Real([spec](auto v) { spec->mutable_variation()->set_strength(v); }),
          "A picture like that of the seed, whose first noise lies between: 0, the seed's, to 1, that of "
          "--variation-seed. Noise that comes later is the seed's own");
  AddFlag(app, "--variation-seed", "N",
          Number<uint64_t>([spec](auto v) { spec->mutable_variation()->set_seed(v); }),
          "Where --variation leads; random if left out");
  AddFlag(app, "--size", "WxH", Size(spec), "Width and height in pixels");
  AddRepeatedFlag(app, "--later-stage", "STEPS[:GUIDANCE[:NOISE]]", LaterStageFlag(spec),
                  "How the model's next stage is sampled, guided and noised beside the one of --steps; see "
                  "`mind models`. May be given again, for the one after it");
  AddFlag(app, "--hires", "SCALE|WxH", HiresSize(spec),
          "A second pass over the picture, so many times larger or of this size");
  AddFlag(app, "--hires-steps", "N", Whole([spec](auto v) { spec->mutable_hires()->set_steps(v); }),
          "Steps that it takes; as many as --steps if left out");
  AddFlag(app, "--hires-strength", "N", Real([spec](auto v) { spec->mutable_hires()->set_strength(v); }),
          "How far it goes from the enlarged picture, 0 to 1");
  AddFlag(app, "--hires-upscaler", "latent|lanczos",
          Enumerator<v1::HiresUpscaler>("HIRES_UPSCALER_", v1::HiresUpscaler_Parse, "latent|lanczos",
                                        [spec](auto v) { spec->mutable_hires()->set_upscaler(v); }),
          "What is enlarged: latents, or the picture by Lanczos' filter");
  AddFlag(app, "-n,--count", "N", Whole([spec](auto v) { spec->set_image_count(v); }),
          "Pictures; picture k has seed + k, or with --variation that of the variation's + k");
  AddFlag(app, "--priority", "low|normal|high",
          Enumerator<v1::Priority>("PRIORITY_", v1::Priority_Parse, "low|normal|high",
                                   [request](auto v) { request->set_priority(v); }),
          "Goes before all jobs of a lower one");
  AddFlag(app, "--format", "png|jpeg|webp",
          Enumerator<v1::ImageFormat>("IMAGE_FORMAT_", v1::ImageFormat_Parse, "png|jpeg|webp",
                                      [spec](auto v) { spec->set_format(v); }),
          "Of the file");
  AddFlag(app, "--quality", "N", Whole([spec](auto v) { spec->set_quality(v); }),
          "Of a JPEG or WebP, 1 to 100; if left out, 95 or lossless");
  AddFlag(app, "--deadline", "DURATION",
          DurationReader([request](auto v) { *request->mutable_deadline() = ToTimestamp(absl::Now() + v); },
                         absl::Milliseconds(1), kYear),
          "Give up after this long, such as 30s, by this machine's clock");
  AddFlag(app, "--ttl", "DURATION",
          DurationReader([request](auto v) { *request->mutable_ttl() = ToDuration(v); },
                         absl::Milliseconds(1), kYear),
          "The same by the server's clock");
  AddRepeatedFlag(app, "--label", "NAME=TEXT", Label(request->mutable_labels()),
                  "For finding the job again: `mind jobs --label`. May be given again");
  AddFlag(app, "--webhook", "URL", Text([request](auto& v) { request->set_webhook_url(v); }),
          "Who is told when the job has ended, where the server allows it");
  AddFlag(app, "--request-id", "ID", Text([request](auto& v) { request->set_request_id(v); }),
          "Sent again with the same id, a request gives the same job");
  AddFlag(app, "--preview-every", "N", Whole([spec](auto v) { spec->set_preview_every(v); }),
          "Steps between previews; 0: none");
  AddText(app, "-o,--out", options.out, "FILE",
          "Several pictures get -0, -1 … before the extension; - is standard output, for one picture; if "
          "left out, the job's id");
  AddSwitch(app, "--tiling", options.tiling, "A picture that can be laid side by side with itself");
  AddSwitch(app, "--metadata", options.metadata, "Write the request into a PNG");
  AddSwitch(app, "--detach", options.detach, "Only create the job and print its id");
  AddSwitch(app, "--dry-run", options.dry_run, "Only say what it would cost");
}

void AddJobsFlags(CLI::App& app, v1::ListJobsRequest& request) {
  request.set_page_size(20);
  AddFlag(app, "--limit", "N", Number<uint32_t>([&request](auto v) { request.set_page_size(v); }, 1, 1000),
          "How many")
      ->default_str("20");
  AddFlag(
      app, "--state", "queued|running|succeeded|failed|cancelled",
      Enumerator<v1::JobState>("JOB_STATE_", v1::JobState_Parse, "queued|running|succeeded|failed|cancelled",
                               [&request](auto v) { request.set_state(v); }),
      "Only those that are");
  AddRepeatedFlag(app, "--label", "NAME=TEXT", Label(request.mutable_labels()),
                  "Only those with this label. May be given again");
}

}  // namespace mind::cli
