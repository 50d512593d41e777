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

using Json = nlohmann::json;

// The settings of an infotext by name, with what A1111 takes for left out.
Json ParametersOf(const std::string& infotext) {
  const image::InfotextFields fields = image::ParseInfotext(infotext);
  Json parameters = {{"Prompt", fields.prompt},
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

Json SdapiModels(const v1::ListModelsResponse& models) {
  Json list = Json::array();
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

Json SdapiSamplers(const v1::ListSamplersResponse& samplers) {
  Json list = Json::array();
  for (const v1::Sampler& sampler : samplers.samplers()) {
    const image::A1111Sampler theirs = image::A1111SamplerOf(sampler.name());
    if (theirs.karras) continue;
    Json aliases = {sampler.name()};
    for (const std::string& alias : sampler.aliases()) {
      if (alias != theirs.name) aliases.push_back(alias);
    }
    list.push_back({{"name", theirs.name}, {"aliases", aliases}, {"options", Json::object()}});
  }
  return list;
}

Json SdapiSchedulers() {
  Json list = Json::array();
  for (const char* const label : {"Automatic", "Karras", "Exponential", "Beta"}) {
    std::string name(label);
    name.front() = static_cast<char>(name.front() | 0x20);
    list.push_back({{"name", name},
                    {"label", label},
                    {"aliases", nullptr},
                    {"default_rho", name == "karras" ? Json(7.0) : Json(-1.0)},
                    {"need_inner_model", false}});
  }
  return list;
}

Json SdapiLoras(const v1::Model& model) {
  Json list = Json::array();
  for (const std::string& name : model.loras()) {
    list.push_back({{"name", name}, {"alias", name}, {"path", name}, {"metadata", Json::object()}});
  }
  return list;
}

std::vector<std::pair<std::string, Json>> SdapiFixedLists() {
  const Json none = Json::array();
  const Json untold = {{"error", "not told; see the metrics"}};
  return {{"upscalers",
           {{{"name", "None"},
             {"model_name", nullptr},
             {"model_path", nullptr},
             {"model_url", nullptr},
             {"scale", 1}}}},
          {"latent-upscale-modes", none},
          {"sd-vae", none},
          {"sd-modules", none},
          {"hypernetworks", none},
          {"face-restorers", none},
          {"realesrgan-models", none},
          {"prompt-styles", none},
          {"script-info", none},
          {"extensions", none},
          {"embeddings", {{"loaded", Json::object()}, {"skipped", Json::object()}}},
          {"scripts", {{"txt2img", none}, {"img2img", none}}},
          {"cmd-flags", Json::object()},
          {"memory", {{"ram", untold}, {"cuda", untold}}}};
}

absl::StatusOr<Json> SdapiPngInfo(const std::string& file) {
  std::map<std::string, std::string> texts;
  try {
    texts = image::TextsOfPng(file);
  } catch (const std::runtime_error& e) {
    return InvalidField("image", absl::StrCat("cannot be read: ", e.what()));
  }
  const std::string infotext = texts["parameters"];
  texts.erase("parameters");
  return Json{{"info", infotext},
              {"items", texts},
              {"parameters", infotext.empty() ? Json::object() : ParametersOf(infotext)}};
}

}  // namespace mind::server
