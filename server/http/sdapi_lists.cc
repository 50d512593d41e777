#include "server/http/sdapi_lists.h"

#include <map>
#include <stdexcept>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "proto/support/errors.h"
#include "worker/image/a1111_sampler.h"
#include "worker/image/infotext.h"
#include "worker/image/png_text.h"

namespace mind::server {
namespace {

using json = nlohmann::json;

// The settings of an infotext by name, with what A1111 takes for left out.
json ParametersOf(const std::string& infotext) {
  const image::InfotextFields fields = image::ParseInfotext(infotext);
  json parameters = {{"Prompt", fields.prompt},
                     {"Negative prompt", fields.negative_prompt},
                     {"Clip skip", "1"},
                     {"Schedule type", "Automatic"},
                     {"RNG", "GPU"}};
  for (const auto& [name, value] : fields.values) {
    const std::pair<std::string, std::string> sides = absl::StrSplit(value, absl::MaxSplits('x', 1));
    if (name == "Size" && !sides.second.empty()) {
      parameters["Size-1"] = sides.first;
      parameters["Size-2"] = sides.second;
    } else {
      parameters[name] = value;
    }
  }
  return parameters;
}

}  // namespace

json SdapiModels(const v1::ListModelsResponse& models) {
  json list = json::array();
  for (const v1::Model& model : models.models()) {
    list.push_back({{"title", model.name()},
                    {"model_name", model.name()},
                    {"hash", nullptr},
                    {"sha256", nullptr},
                    {"filename", model.name()},
                    {"config", nullptr}});
  }
  return list;
}

json SdapiSamplers(const v1::ListSamplersResponse& samplers) {
  json list = json::array();
  for (const v1::Sampler& sampler : samplers.samplers()) {
    const image::A1111Sampler theirs = image::A1111SamplerOf(sampler.name());
    if (theirs.karras) continue;
    json aliases = {sampler.name()};
    for (const std::string& alias : sampler.aliases()) {
      if (alias != theirs.name) aliases.push_back(alias);
    }
    list.push_back({{"name", theirs.name}, {"aliases", aliases}, {"options", json::object()}});
  }
  return list;
}

json SdapiSchedulers() {
  json list = json::array();
  for (const char* const label : {"Automatic", "Karras", "Exponential", "Beta"}) {
    std::string name(label);
    name.front() = static_cast<char>(name.front() | 0x20);
    list.push_back({{"name", name},
                    {"label", label},
                    {"aliases", nullptr},
                    {"default_rho", name == "karras" ? json(7.0) : json(-1.0)},
                    {"need_inner_model", false}});
  }
  return list;
}

json SdapiLoras(const v1::Model& model) {
  json list = json::array();
  for (const std::string& name : model.loras()) {
    list.push_back({{"name", name}, {"alias", name}, {"path", name}, {"metadata", json::object()}});
  }
  return list;
}

json SdapiVaes(const v1::Model& model) {
  json list = json::array();
  for (const v1::ModelVae& vae : model.vaes()) {
    if (vae.unfit().empty()) list.push_back({{"model_name", vae.name()}, {"filename", vae.name()}});
  }
  return list;
}

std::vector<std::pair<std::string, json>> SdapiFixedLists() {
  const json none = json::array();
  const json untold = {{"error", "not told; see the metrics"}};
  return {{"upscalers",
           {{{"name", "None"},
             {"model_name", nullptr},
             {"model_path", nullptr},
             {"model_url", nullptr},
             {"scale", 1}},
            {{"name", "Lanczos"},
             {"model_name", nullptr},
             {"model_path", nullptr},
             {"model_url", nullptr},
             {"scale", 4}}}},
          {"latent-upscale-modes", {{{"name", "Latent"}}}},
          {"sd-modules", none},
          {"hypernetworks", none},
          {"face-restorers", none},
          {"realesrgan-models", none},
          {"prompt-styles", none},
          {"script-info", none},
          {"extensions", none},
          {"embeddings", {{"loaded", json::object()}, {"skipped", json::object()}}},
          {"scripts", {{"txt2img", none}, {"img2img", none}}},
          {"cmd-flags", json::object()},
          {"memory", {{"ram", untold}, {"cuda", untold}}}};
}

absl::StatusOr<json> SdapiPngInfo(const std::string& file) {
  std::map<std::string, std::string> texts;
  try {
    texts = image::TextsOfPng(file);
  } catch (const std::runtime_error& e) {
    return InvalidField("image", absl::StrCat("cannot be read: ", e.what()));
  }
  const std::string infotext = texts["parameters"];
  texts.erase("parameters");
  return json{{"info", infotext},
              {"items", texts},
              {"parameters", infotext.empty() ? json::object() : ParametersOf(infotext)}};
}

}  // namespace mind::server
