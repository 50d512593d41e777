// components/primitives: single layers. Each recorded output is a case of its own, named by what it is of and
// how it is set; settings that do not fit into a name are in primitives.json.
#include <functional>
#include <regex>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/diffusion_transformer.h"
#include "worker/diffusion/models/resample.h"
#include "worker/diffusion/models/resnet_block.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kGridBase = 16;  // diffusers' own default

// Tensors of the record under one prefix ("resnet_default.param."), as a parameter source.
class RecordedParameters : public ParameterSource {
 public:
  RecordedParameters(const Record& record, std::string prefix, at::Device device)
      : record_(record), prefix_(std::move(prefix)), device_(device) {}
  bool Has(const std::string& name) const override { return record_.Has(prefix_ + name); }
  at::Tensor Take(const std::string& name, at::IntArrayRef) override {
    return record_.Get(prefix_ + name).to(device_);
  }

 private:
  const Record& record_;
  std::string prefix_;
  at::Device device_;
};

// "conv.weight" is stored as "downsample_conv_pad0.weight".
class UnnestedParameters : public RecordedParameters {
 public:
  using RecordedParameters::RecordedParameters;
  at::Tensor Take(const std::string& name, at::IntArrayRef shape) override {
    return RecordedParameters::Take(name.substr(name.rfind('.') + 1), shape);
  }
};

class Primitives {
 public:
  Primitives(const Record& record, const nlohmann::json& settings, at::Device device)
      : record_(record), settings_(settings), device_(device) {}

  // Whether a tensor of the record is one, and not an input or a parameter.
  bool IsOutput(const std::string& name) const { return Find(name) != nullptr; }
  // Ours of it. REQUIRES: IsOutput(name)
  at::Tensor Compute(const std::string& name) const { return Find(name)(); }

 private:
  using Make = std::function<at::Tensor()>;

  // How to make ours of an output, by its name; null: it is none.
  Make Find(const std::string& name) const {
    std::smatch part;
    const auto is = [&](const char* pattern) { return std::regex_match(name, part, std::regex(pattern)); };
    const auto text = [&](size_t group) { return part[group].str(); };
    const auto number = [&](size_t group) { return static_cast<int64_t>(std::stoll(part[group].str())); };
    if (is("get_timestep_embedding\\.(.+)")) return [this, set = text(1)] { return Sinusoids(set, "t_int"); };
    if (is("get_timestep_embedding_float\\.(.+)"))
      return [this, set = text(1)] { return Sinusoids(set, "t_float"); };
    if (is("glide_timestep_embedding\\.dim(\\d+)")) {
      return [this, width = number(1)] {
        return SinusoidalEmbedding(Get("t_int"), width, {.flip_sin_to_cos = true, .freq_shift = 0});
      };
    }
    if (is("sincos_2d_pos_embed\\.dim(\\d+)_grid(\\d+)"))
      return [width = number(1), grid = number(2)] { return GridEmbedding(grid, grid, width, kGridBase); };
    if (is("downsample_conv_pad(\\d+)\\.out")) {
      return [this, stem = name.substr(0, name.rfind('.') + 1), padding = number(1)] {
        UnnestedParameters parameters(record_, stem, device_);
        return Downsample(Scope(parameters), Get("x").size(1), padding)(Get("x"));
      };
    }
    if (name == "fir_downsample_kernel1331_factor2")
      return [this] { return Halved(Get("x"), Filter::kBinomial); };
    if (name == "fir_upsample_kernel1331_factor2")
      return [this] { return Doubled(Get("x"), Filter::kBinomial); };
    if (name == "fourier.out")
      return [this] { return FourierFeatures(at::log(Get("fourier.in")), Get("fourier.weight")); };
    if (is("groupnorm_(\\d+)groups_eps(.+)")) {
      return [this, groups = number(1), epsilon = std::stod(text(2))] {
        RecordedParameters parameters(record_, "groupnorm.", device_);
        return GroupNorm(Scope(parameters), groups, Get("x").size(1), epsilon)(Get("x"));
      };
    }
    if (is("interpolate_bilinear_to_(\\d+)x(\\d+)"))
      return [this, h = number(1), w = number(2)] { return GlideLowResolution(Get("x"), {h, w}); };
    if (is("interpolate_bicubic_to_(\\d+)x(\\d+)"))
      return [this, h = number(1), w = number(2)] { return at::upsample_bicubic2d(Get("x"), {h, w}, false); };
    if (is("upsample_nearest_to_(\\d+)x(\\d+)"))
      return [this, h = number(1), w = number(2)] { return at::upsample_nearest2d(Get("x"), {h, w}); };
    for (const auto& [activation_name, activation] : kActivations) {
      if (name == activation_name)
        return [this, activation = activation] { return Activate(activation, Get("x")); };
    }
    if (is("(resnet.*)\\.out")) return [this, set = text(1)] { return Resnet(set); };
    return nullptr;
  }

  static constexpr std::pair<const char*, Activation> kActivations[] = {
      {"silu", Activation::kSilu},
      {"mish", Activation::kMish},
      {"gelu_erf", Activation::kGelu},
      {"gelu_tanh", Activation::kGeluTanh},
      {"quick_gelu", Activation::kQuickGelu},
  };

  at::Tensor Get(const std::string& name) const { return record_.Get(name).to(device_); }
  Config Setting(const std::string& name) const {
    if (!settings_.contains(name)) throw Error("primitives.json does not say how \"" + name + "\" is set");
    return Config(settings_.at(name), "primitives.json " + name);
  }

  at::Tensor Sinusoids(const std::string& name, const char* timesteps) const {
    const Config setting = Setting(name);
    return SinusoidalEmbedding(Get(timesteps), setting.RequiredInt("dim"),
                               {.flip_sin_to_cos = setting.Bool("flip_sin_to_cos", false),
                                .freq_shift = setting.Double("downscale_freq_shift", 1),
                                .scale = setting.Double("scale", 1),
                                .max_period = setting.Double("max_period", 10000)});
  }

  at::Tensor Resnet(const std::string& name) const {
    const Config setting = Setting(name);
    RecordedParameters parameters(record_, name + ".param.", device_);
    const ResnetOptions options{
        .groups = setting.Int("groups", 32),
        .epsilon = setting.Double("eps", 1e-6),
        .time_width = setting.Int("temb_channels", 0),
        .scale_shift = setting.String("time_embedding_norm", "") == "scale_shift",
        .output_scale = setting.Double("output_scale_factor", 1),
        .resizing = setting.Bool("up", false)     ? Resizing::kDouble
                    : setting.Bool("down", false) ? Resizing::kHalve
                                                  : Resizing::kNone,
        .filter = setting.String("kernel", "") == "fir" ? Filter::kBinomial : Filter::kBox,
        .shortcut = setting.Bool("use_in_shortcut", false)};
    const ResnetBlock block(Scope(parameters), setting.RequiredInt("in_channels"),
                            setting.RequiredInt("out_channels"), options);
    Signals signals;
    signals.time = Get(name + ".temb");  // shown to those that make no use of it as well
    return block(Get("x"), signals);
  }

  const Record& record_;
  const nlohmann::json& settings_;
  const at::Device device_;
};

}  // namespace

void RunPrimitiveCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path file =
      options.directory / "components" / (std::string(kPrimitives) + ".safetensors");
  if (!std::filesystem::exists(file)) return;
  const Record record(file);
  const nlohmann::json settings =
      ReadGoldenJson(options.directory / "components" / (std::string(kPrimitives) + ".json"));
  const Primitives primitives(record, settings, options.device);
  for (const std::string& name : record.names()) {
    const std::string full = std::string(kPrimitives) + "/" + name;
    if (!options.Wants(full)) continue;
    if (!primitives.IsOutput(name)) continue;
    report.Run(full, [&](Report::Case& result) {
      result.Compare(name, primitives.Compute(name), record.Get(name), kComponentTolerance);
    });
  }
  if (!options.filter.empty()) return;
  for (const std::string& name : record.Unused()) {
    report.Fail(std::string(kPrimitives) + "/" + name, "recorded and used by nothing");
  }
  for (const auto& [name, setting] : settings.items()) {
    const bool timesteps = record.Has("get_timestep_embedding." + name);
    if (!timesteps && !record.Has(name + ".out"))
      report.Fail(std::string(kPrimitives) + "/" + name, "a setting of which the record has nothing");
  }
}

}  // namespace mind::diffusion
