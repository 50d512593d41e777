// mind: the command line of Mind-Diffusion.
#include <pthread.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "client/cli/commands.h"
#include "client/cli/outcome.h"
#include "proto/support/time.h"

namespace {

using namespace mind;
using namespace mind::cli;

constexpr char kExitCodes[] =
    "Exit status: 0 done; 1 the job failed; 2 wrong use or a field the server does not accept; 3 no server "
    "or worker; "
    "4 no such job or model; 5 queue full; 6 deadline passed; 7 cancelled.";

std::string ParseSize(const std::string& text, v1::ImageSpec* spec) {
  const size_t x = text.find('x');
  uint32_t width = 0, height = 0;
  if (x == std::string::npos || !absl::SimpleAtoi(text.substr(0, x), &width) ||
      !absl::SimpleAtoi(text.substr(x + 1), &height)) {
    return "\"" + text + "\" is not WIDTHxHEIGHT in pixels, such as 512x768";
  }
  spec->set_width(width);
  spec->set_height(height);
  return "";
}

std::string ParseDeadline(const std::string& text, v1::JobRequest* request) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) || duration <= absl::ZeroDuration()) {
    return "\"" + text + "\" is not a duration such as 30s or 5m";
  }
  *request->mutable_deadline() = ToTimestamp(absl::Now() + duration);
  return "";
}

// NAME or NAME:SCALE.
std::string ParseLora(const std::string& text, v1::ImageSpec* spec) {
  const size_t colon = text.rfind(':');
  double scale = 1;
  if (colon != std::string::npos && !absl::SimpleAtod(text.substr(colon + 1), &scale))
    return "\"" + text + "\" is not NAME or NAME:SCALE";
  v1::LoraUse& lora = *spec->add_loras();
  lora.set_name(text.substr(0, colon));
  lora.set_scale(scale);
  return "";
}

std::string ReadFile(const std::string& path, std::string* bytes) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream read;
  read << file.rdbuf();
  if (!file) return path + " cannot be read";
  *bytes = read.str();
  return "";
}

// NAME=VALUE: a number, true or false, numbers separated by commas, or a word.
std::string ParseSetting(const std::string& text, v1::ImageSpec* spec) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) return "\"" + text + "\" is not NAME=VALUE";
  const std::string name = text.substr(0, equals), given = text.substr(equals + 1);
  google::protobuf::Value& value = (*spec->mutable_sampler_parameters())[name];
  double number = 0;
  if (given == "true" || given == "false") {
    value.set_bool_value(given == "true");
  } else if (absl::SimpleAtod(given, &number)) {
    value.set_number_value(number);
  } else if (absl::StrContains(given, ',')) {
    for (const auto part : absl::StrSplit(given, ',', absl::SkipEmpty())) {
      if (!absl::SimpleAtod(part, &number)) return "\"" + given + "\" is not a list of numbers";
      value.mutable_list_value()->add_values()->set_number_value(number);
    }
  } else {
    value.set_string_value(given);
  }
  return "";
}

// Ctrl-C and SIGTERM end the call, which cancels the job of a running `generate`; again, the program.
void StopOnSignals(client::Client& client) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::thread([set, &client] {
    int signal = 0;
    sigwait(&set, &signal);
    client.Stop();
    sigwait(&set, &signal);
    _exit(128 + signal);
  }).detach();
}

void AddGenerate(CLI::App& app, GenerateOptions& options,
                 const std::map<std::string, v1::Priority>& priorities,
                 const std::map<std::string, v1::ImageFormat>& formats) {
  CLI::App* const c = app.add_subcommand("generate", "Make pictures from a prompt");
  v1::JobRequest& request = options.request;
  v1::ImageSpec* const spec = request.mutable_spec();
  const auto string_into = [c](const char* name, const char* help,
                               const std::function<void(const std::string&)>& set) {
    return c->add_option_function<std::string>(name, set, help);
  };
  const auto checked = [&](const char* name, const char* help,
                           std::function<std::string(const std::string&)> parse) {
    return string_into(name, help, [parse, name](const std::string& value) {
      if (const std::string error = parse(value); !error.empty()) throw CLI::ValidationError(name, error);
    });
  };
  const auto repeated = [c](const char* name, const char* help,
                            std::function<std::string(const std::string&)> parse) {
    const auto parse_all = [parse, name](const std::vector<std::string>& values) {
      for (const std::string& value : values) {
        if (const std::string error = parse(value); !error.empty()) throw CLI::ValidationError(name, error);
      }
    };
    c->add_option_function<std::vector<std::string>>(name, parse_all, help)->allow_extra_args(false);
  };
  string_into("PROMPT", "What the picture shall show", [spec](const std::string& v) { spec->set_prompt(v); });
  string_into("--model", "Model name; may be left out if there is only one", [spec](const std::string& v) {
    spec->set_model(v);
  })->envname("MIND_MODEL");
  string_into("--negative", "What it shall not show",
              [spec](const std::string& v) { spec->set_negative_prompt(v); });
  c->add_option_function<uint32_t>(
      "--steps", [spec](uint32_t v) { spec->set_steps(v); }, "Denoising steps");
  string_into("--sampler", "Sampler name; see `mind samplers`",
              [spec](const std::string& v) { spec->set_sampler(v); });
  c->add_option_function<double>(
      "--guidance", [spec](double v) { spec->set_guidance(v); },
      "How closely to follow the prompt; 1 is not at all");
  repeated("--set",
           "NAME=VALUE, what the sampler is told, such as eta=0.5; see `mind samplers`. May be given again",
           [spec](const std::string& v) { return ParseSetting(v, spec); });
  c->add_option_function<double>(
      "--guidance-rescale", [spec](double v) { spec->set_guidance_rescale(v); },
      "Draws back the contrast that guidance adds, 0 to 1");
  c->add_option_function<uint32_t>(
      "--clip-skip", [spec](uint32_t v) { spec->set_clip_skip(v); }, "Last text layers to leave out");
  checked("--image", "Picture to begin with: PNG, JPEG or WebP",
          [spec](const std::string& path) { return ReadFile(path, spec->mutable_source_image()); });
  checked("--mask", "Picture, bright where --image is to be painted anew",
          [spec](const std::string& path) { return ReadFile(path, spec->mutable_mask_image()); });
  checked("--depth", "Depth of --image, near is bright",
          [spec](const std::string& path) { return ReadFile(path, spec->mutable_depth_image()); });
  string_into("--class", "Class by number or name, for models that are asked for one",
              [spec](const std::string& v) { spec->set_class_label(v); });
  repeated("--lora", "NAME or NAME:SCALE, one of the model's LoRAs; see `mind models`. May be given again",
           [spec](const std::string& v) { return ParseLora(v, spec); });
  c->add_option_function<uint32_t>(
      "--noise-level", [spec](uint32_t v) { spec->set_noise_level(v); },
      "How much an upscaler may change --image");
  c->add_option_function<double>(
      "--strength", [spec](double v) { spec->set_strength(v); }, "How far to go from --image, 0 to 1");
  c->add_option_function<uint64_t>(
      "--seed", [spec](uint64_t v) { spec->set_seed(v); }, "Same seed, same picture; random if left out");
  checked("--size", "WIDTHxHEIGHT in pixels", [spec](const std::string& v) { return ParseSize(v, spec); });
  c->add_option_function<uint32_t>(
      "-n,--count", [spec](uint32_t v) { spec->set_image_count(v); }, "Pictures; picture k has seed + k");
  c->add_option_function<v1::Priority>(
       "--priority", [&request](v1::Priority v) { request.set_priority(v); }, "low, normal or high")
      ->transform(CLI::CheckedTransformer(priorities));
  c->add_option_function<v1::ImageFormat>(
       "--format", [spec](v1::ImageFormat v) { spec->set_format(v); }, "png, jpeg or webp")
      ->transform(CLI::CheckedTransformer(formats));
  checked("--deadline", "Give up after this long, such as 30s",
          [&request](const std::string& v) { return ParseDeadline(v, &request); });
  string_into("--request-id", "Sent again with the same id, a request gives the same job",
              [&request](const std::string& v) { request.set_request_id(v); });
  c->add_option_function<uint32_t>(
      "--preview-every", [spec](uint32_t v) { spec->set_preview_every(v); },
      "Steps between previews; 0: none");
  c->add_option("-o,--out", options.out, "File; - for standard output; default: the job's id");
  c->add_flag("--detach", options.detach, "Only create the job and print its id");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Mind-Diffusion: pictures from prompts.");
  app.footer(kExitCodes);
  app.require_subcommand(1);
  app.fallthrough();
  app.set_version_flag("--version", MIND_VERSION);
  Common common;
  app.add_option("--server", common.server, "HOST:PORT")->envname("MIND_SERVER")->capture_default_str();
  app.add_option("--tenant", common.tenant, "Whose request it is")->envname("MIND_TENANT");
  app.add_flag("--json", common.json, "Print JSON, one object a line");

  const std::map<std::string, v1::Priority> priorities = {
      {"low", v1::PRIORITY_LOW}, {"normal", v1::PRIORITY_NORMAL}, {"high", v1::PRIORITY_HIGH}};
  const std::map<std::string, v1::ImageFormat> formats = {
      {"png", v1::IMAGE_FORMAT_PNG}, {"jpeg", v1::IMAGE_FORMAT_JPEG}, {"webp", v1::IMAGE_FORMAT_WEBP}};
  GenerateOptions generate;
  AddGenerate(app, generate, priorities, formats);
  std::string id, out;
  uint64_t after = 0;
  uint32_t limit = 20;
  app.add_subcommand("jobs", "List jobs, newest first")
      ->add_option("--limit", limit, "How many")
      ->capture_default_str();
  CLI::App* const watch = app.add_subcommand("watch", "Follow a job to its end");
  watch->add_option("ID", id)->required();
  watch->add_option("--after", after, "Only events after this sequence number");
  CLI::App* const get = app.add_subcommand("get", "Fetch a job's pictures, waiting for them if need be");
  get->add_option("ID", id)->required();
  get->add_option("-o,--out", out, "File; - for standard output; default: the job's id");
  app.add_subcommand("cancel", "End a job")->add_option("ID", id)->required();
  app.add_subcommand("models", "List models and what may be asked of them");
  std::string model;
  app.add_subcommand("samplers", "List the samplers of a model and what each can be told")
      ->add_option("MODEL", model, "Model name; may be left out if there is only one");
  app.add_subcommand("workers", "List connected workers");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const int status = app.exit(e);
    return status == 0 ? kOk : kUsage;
  }
  client::Client client({.server = common.server, .tenant = common.tenant});
  StopOnSignals(client);
  const std::string command = app.get_subcommands().front()->get_name();
  if (command == "generate") return Generate(client, common, generate);
  if (command == "jobs") return Jobs(client, common, limit);
  if (command == "watch") return Watch(client, common, id, after);
  if (command == "get") return Get(client, common, id, out);
  if (command == "cancel") return Cancel(client, common, id);
  if (command == "models") return Models(client, common);
  if (command == "samplers") return Samplers(client, common, model);
  return Workers(client, common);
}
