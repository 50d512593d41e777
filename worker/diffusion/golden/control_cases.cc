#include "worker/diffusion/golden/control_cases.h"

#include <functional>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/picture_prompt_cases.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/control_net.h"
#include "worker/diffusion/models/t2i_adapter.h"
#include "worker/diffusion/pipelines/picture_encoder.h"
#include "worker/diffusion/pipelines/resize.h"
#include "worker/diffusion/weights/names/control_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr char kControlNet[] = "ControlNetModel", kUnion[] = "ControlNetUnionModel",
               kAdapter[] = "T2IAdapter";

// Adds what it was given.
class Recorded : public ControlNetwork {
 public:
  explicit Recorded(Additions added) : added_(std::move(added)) {}
  Additions operator()(const DenoiserInput&, const Control&) const override { return added_; }

 private:
  Additions added_;
};

Config ConfigIn(const fs::path& directory) {
  return Config::FromFile((directory / "config.json").string());
}

at::Tensor Weight(double weight) {
  return at::full({}, weight, at::kFloat);
}

// One of a list, or the only one.
double ScaleOf(const nlohmann::json& arguments, size_t number) {
  if (!arguments.contains("conditioning_scale")) return 1;
  const nlohmann::json& scale = arguments.at("conditioning_scale");
  return (scale.is_array() ? scale.at(number) : scale).get<double>();
}

// Pictures of the kinds that a case names, to a network that knows several.
void ShowKinds(const ControlCase& c, const std::function<at::Tensor(const std::string&)>& in,
               Control& control, Report::Case& result) {
  control.kinds = c.arguments.at("control_type_idx").get<std::vector<int64_t>>();
  const at::Tensor types = in("control_type");
  at::Tensor named = at::zeros_like(types);
  std::vector<at::Tensor> weights;
  for (size_t i = 0; i < control.kinds.size(); ++i) {
    control.maps.push_back(in("controlnet_cond" + std::to_string(i)));
    weights.push_back(Weight(ScaleOf(c.arguments, i)).to(c.options.device));
    named.select(1, control.kinds[i]).fill_(1);
  }
  result.Compare("control_type", named, types, 0);
  control.weight = weights.size() == 1 ? weights.front() : at::stack(weights).expand({types.size(0), -1});
}

void CheckControlNets(const ControlCase& c, Report::Case& result) {
  const auto in = [&](const std::string& name) {
    return c.record.Has("in." + name) ? c.record.Get("in." + name).to(c.options.device) : at::Tensor();
  };
  Told told = {{Condition::kText, in("encoder_hidden_states")},
               {Condition::kPooled, in("text_embeds")},
               {Condition::kSizes, in("time_ids")}};
  std::vector<std::unique_ptr<const ControlNet>> networks;
  for (size_t i = 0; i < c.networks.size(); ++i) {
    FileParameters weights(ReadComponent(c.networks[i].string()), c.options);
    networks.push_back(
        std::make_unique<ControlNet>(Scope(weights), ControlNetConfig::From(ConfigIn(c.networks[i]))));
    weights.ExpectAllTaken();
    Control control;
    control.network = networks.back().get();
    if (networks.back()->config().fusion.kinds > 0) {
      ShowKinds(c, in, control, result);
    } else {
      control.maps = {in(c.networks.size() == 1 ? "controlnet_cond" : "controlnet_cond" + std::to_string(i))};
      control.weight = Weight(ScaleOf(c.arguments, i)).to(c.options.device);
    }
    control.graded = c.arguments.value("guess_mode", false);
    told.Add(control);
  }
  const Additions added =
      AdditionsOf({.sample = in("sample"), .timestep = in("timestep").to(at::kFloat), .told = told});
  for (size_t i = 0; i < added.skips.size(); ++i) {
    const std::string name = "down." + std::to_string(i);
    result.Compare(name, added.skips[i], c.record.Get("out." + name), kComponentTolerance);
  }
  result.Compare("mid", added.middle, c.record.Get("out.mid"), kComponentTolerance);
}

void CheckAdapter(const ControlCase& c, Report::Case& result) {
  FileParameters weights(ReadComponent(c.networks.front().string()), c.options);
  const T2iAdapter adapter(Scope(weights), T2iAdapterConfig::From(ConfigIn(c.networks.front())));
  weights.ExpectAllTaken();
  const std::vector<at::Tensor> features = adapter(c.record.Get("in.image").to(c.options.device));
  for (size_t i = 0; i < features.size(); ++i) {
    const std::string name = "feature." + std::to_string(i);
    result.Compare(name, features[i], c.record.Get("out." + name), kComponentTolerance);
  }
}

// The same weights as in a directory, under their authors' names.
void CheckOriginalNames(const nlohmann::json& item, const fs::path& golden, Report::Case& result) {
  const fs::path directory = golden / item.at("same_weights_as").get<std::string>();
  const Config config = ConfigIn(directory);
  NamedTensors stored = ReadWeights((golden / item.at("file").get<std::string>()).string());
  const NamedTensors expected = ReadComponent(directory.string());
  const NamedTensors renamed =
      config.String("_class_name", "") == kControlNet
          ? FromOriginalControlNet(std::move(stored), ControlNetConfig::From(config).trunk.layers_per_block)
          : FromOriginalT2iAdapter(std::move(stored), T2iAdapterConfig::From(config).layers);
  result.Expect(renamed.tensors.size() == expected.tensors.size(),
                std::to_string(renamed.tensors.size()) + " tensors, where there should be " +
                    std::to_string(expected.tensors.size()));
  for (const auto& [name, tensor] : expected.tensors) {
    if (!renamed.Has(name)) throw Error("no tensor becomes \"" + name + "\"");
    result.Compare(name, renamed.tensors.at(name).to(at::kFloat), tensor.to(at::kFloat), 0);
  }
}

// "clip_20x33_to_28_32": the shorter side, and the square that is cut out.
void CheckClipPicture(const std::string& name, const Record& record, Report::Case& result) {
  const std::string sizes = name.substr(name.find("_to_") + 4);
  ClipPreprocessing preprocessing;
  preprocessing.shorter_side = std::stoll(sizes);
  preprocessing.crop = std::stoll(sizes.substr(sizes.find('_') + 1));
  result.Compare("pixel_values", preprocessing(ToBytes(record.Get("in.image").squeeze(0))),
                 record.Get("out.pixel_values").squeeze(0), kComponentTolerance);
}

// in [1, 3, H, W] in [0, 1], of 8 bits.
void CheckPreprocessed(const std::string& name, const Record& record, Report::Case& result) {
  if (record.Has("out.pixel_values")) return CheckClipPicture(name, record, result);
  if (record.Has("out.mask")) return CheckPromptMask(record, result);
  const at::Tensor expected = record.Get("out.control").squeeze(0);
  const at::Tensor picture = ToBytes(record.Get("in.image").squeeze(0));
  result.Compare("control", ToFloats(ResizePicture(picture, expected.size(2), expected.size(1)), at::kCPU),
                 expected, 1e-6);
}

}  // namespace

ControlCheck ControlCheckFor(const Config& config) {
  const std::string kind = config.String("_class_name", "");
  if (kind == kControlNet || kind == kUnion) return CheckControlNets;
  return kind == kAdapter ? CheckAdapter : nullptr;
}

std::unique_ptr<const ControlNetwork> TellRecorded(const Record& record, Told& told) {
  const auto numbered = [&record](const std::string& prefix) {
    std::vector<at::Tensor> tensors;
    while (record.Has(prefix + std::to_string(tensors.size())))
      tensors.push_back(record.Get(prefix + std::to_string(tensors.size())));
    return tensors;
  };
  if (std::vector<at::Tensor> features = numbered("in.feature."); !features.empty()) {
    Control control;
    control.maps = std::move(features);
    control.weight = Weight(1);
    told.Add(control);
  }
  std::vector<at::Tensor> skips = numbered("in.residual.");
  if (skips.empty()) return nullptr;
  auto network = std::make_unique<Recorded>(Additions{std::move(skips), record.Get("in.residual_mid"), {}});
  Control control;
  control.network = network.get();
  control.maps = {at::Tensor()};
  control.weight = Weight(1);
  told.Add(control);
  return network;
}

void RunControlNameCases(const GoldenOptions& options, Report& report) {
  const fs::path path = options.directory / "single" / "index.json";
  if (!fs::exists(path)) return;
  const nlohmann::json cases = ReadGoldenJson(path);
  for (const auto& [key, item] : cases.items()) {
    const std::string name = "single/" + key;
    if (!options.Wants(name)) continue;
    report.Run(name, [&, &item = item](Report::Case& result) {
      CheckOriginalNames(item, options.directory, result);
    });
  }
}

void RunPreprocessCases(const GoldenOptions& options, Report& report) {
  for (const fs::path& file : FilesIn(options.directory / "preprocess", ".safetensors")) {
    const std::string name = "preprocess/" + file.stem().string();
    if (!options.Wants(name)) continue;
    report.Run(name, [&](Report::Case& result) { CheckPreprocessed(name, result.Open(file), result); });
  }
}

}  // namespace mind::diffusion
