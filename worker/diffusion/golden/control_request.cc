#include "worker/diffusion/golden/control_request.h"

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {
namespace {

// One of a list, or the only one.
double NumberOf(const nlohmann::json& item, const char* key, size_t number, double fallback) {
  if (!item.contains(key)) return fallback;
  const nlohmann::json& value = item.at(key);
  return (value.is_array() ? value.at(number) : value).get<double>();
}

// diffusers' pipelines differ in what they take where nothing is said.
double DefaultWeight(const std::string& pipeline) {
  if (pipeline.find("ControlNetInpaint") != std::string::npos) return 0.5;
  return pipeline.find("ControlNetImg2Img") != std::string::npos ? 0.8 : 1;
}

// Of pictures [n, …], that of picture number `row` of `rows`: one for all, one a prompt, or one each.
at::Tensor PictureFor(const at::Tensor& pictures, int64_t row, int64_t rows) {
  return pictures[row * pictures.size(0) / rows];
}

}  // namespace

std::vector<std::string> ControlNetworksOf(const nlohmann::json& item) {
  for (const char* const key : {"controlnets", "adapters"}) {
    if (item.contains(key)) return item.at(key).get<std::vector<std::string>>();
  }
  return {};
}

std::string ControlName(size_t number) {
  return "control-" + std::to_string(number);
}

std::vector<ControlPicture> ControlPicturesOf(const nlohmann::json& item, const Record& record, int64_t row,
                                              int64_t rows, at::Device device) {
  std::vector<ControlPicture> controls;
  // A network that knows several kinds of pictures is shown one of each that is named.
  const bool kinds = item.contains("control_mode");
  const size_t pictures = kinds ? item.at("control_mode").size() : ControlNetworksOf(item).size();
  const bool adapters = item.contains("adapters");
  for (size_t i = 0; i < pictures; ++i) {
    const std::string name = pictures == 1 ? "in.control_image" : "in.control_image." + std::to_string(i);
    at::Tensor picture = PictureFor(record.Get(name), row, rows);
    if (!item.contains("control_image_is")) {
      const at::Tensor coloured = picture.expand({3, picture.size(1), picture.size(2)});
      picture = ToFloats(ResizePicture(ToBytes(coloured), item.at("width"), item.at("height")), device);
    }
    ControlPicture control;
    control.network = ControlName(kinds ? 0 : i);
    if (kinds) control.kind = item.at("control_mode").at(i).get<int64_t>();
    control.picture = picture.to(device);
    control.weight = NumberOf(item, adapters ? "adapter_conditioning_scale" : "controlnet_conditioning_scale",
                              i, DefaultWeight(item.at("pipeline")));
    control.begin = NumberOf(item, "control_guidance_start", i, control.begin);
    control.end =
        NumberOf(item, adapters ? "adapter_conditioning_factor" : "control_guidance_end", i, control.end);
    control.graded = item.value("guess_mode", false);
    controls.push_back(control);
  }
  return controls;
}

void CheckControls(const Record& record, const Conditioning& conditioning, int64_t row, int64_t rows,
                   Report::Case& result) {
  const std::vector<Control>& controls = conditioning.rows.back().controls();
  for (size_t i = 0; i < controls.size(); ++i) {
    const std::string number = std::to_string(i);
    if (const std::string name = "control" + number + ".cond"; record.Has(name))
      result.Compare(name, controls[i].maps.front(), PictureFor(record.Get(name), row, rows),
                     kSampledTolerance);
    for (const auto& [level, features] : record.Under("adapter" + number + ".feature.")) {
      result.Compare("feature " + level + " of adapter " + number, controls[i].maps.at(std::stoul(level)),
                     PictureFor(features, row, rows), kSampledTolerance);
    }
  }
}

Additions AdditionsFor(const Told& told, const at::Tensor& input, double timestep) {
  return AdditionsOf({.sample = input.unsqueeze(0),
                      .timestep = at::full({1}, timestep, input.options()),
                      .told = Told::Stack({&told})});
}

void CheckAdded(const std::string& what, const at::Tensor& added, const at::Tensor& expected,
                Report::Case& result) {
  if (added.defined()) return result.Compare(what, added.squeeze(0), expected, kSampledTolerance);
  result.Expect(expected.abs().max().item<double>() == 0, what + ": nothing is added");
}

}  // namespace mind::diffusion
