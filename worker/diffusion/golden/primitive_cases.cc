// components/primitives: single layers. Each recorded output is a case of its own.
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/models/resample.h"
#include "worker/diffusion/models/resnet_block.h"
#include "worker/diffusion/models/timestep_embedding.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

constexpr double kTolerance = 2e-5;

// Tensors of the record under one prefix ("resnet_default.param."), as a parameter source.
class RecordedParameters : public ParameterSource {
 public:
  RecordedParameters(const SafeTensors& record, std::string prefix, at::Device device)
      : record_(record), prefix_(std::move(prefix)), device_(device) {}
  bool Has(const std::string& name) const override { return record_.Has(prefix_ + name); }
  at::Tensor Take(const std::string& name, at::IntArrayRef) override {
    return record_.Get(prefix_ + name).to(device_);
  }

 private:
  const SafeTensors& record_;
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

}  // namespace

void RunPrimitiveCases(const GoldenOptions& options, Report& report) {
  const std::filesystem::path file = options.directory / "components" / "primitives.safetensors";
  if (!std::filesystem::exists(file)) return;
  const SafeTensors record = SafeTensors::Open(file.string());
  const nlohmann::json settings = ReadGoldenJson(options.directory / "components" / "primitives.json");
  const auto get = [&](const std::string& name) { return record.Get(name).to(options.device); };
  const auto run = [&](const std::string& name, const std::function<at::Tensor()>& compute) {
    const std::string full = "primitives/" + name;
    if (full.find(options.filter) == std::string::npos) return;
    report.Run(full,
               [&](Report::Case& result) { result.Compare(name, compute(), record.Get(name), kTolerance); });
  };

  for (const auto& [name, value] : settings.items()) {
    const Config setting(value, "primitives.json " + name);
    if (record.Has("get_timestep_embedding." + name)) {
      const SinusoidOptions sinusoid{.flip_sin_to_cos = setting.Bool("flip_sin_to_cos", false),
                                     .freq_shift = setting.Double("downscale_freq_shift", 1),
                                     .scale = setting.Double("scale", 1),
                                     .max_period = setting.Double("max_period", 10000)};
      const int64_t width = setting.RequiredInt("dim");
      run("get_timestep_embedding." + name,
          [&] { return SinusoidalEmbedding(get("t_int"), width, sinusoid); });
      run("get_timestep_embedding_float." + name,
          [&] { return SinusoidalEmbedding(get("t_float"), width, sinusoid); });
    } else if (record.Has(name + ".out")) {
      run(name + ".out", [&] {
        RecordedParameters parameters(record, name + ".param.", options.device);
        const ResnetOptions resnet{
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
                                setting.RequiredInt("out_channels"), resnet);
        Signals signals;
        if (resnet.time_width > 0) signals.time = get(name + ".temb");
        return block(get("x"), signals);
      });
    }
  }
  for (const int64_t padding : {0, 1}) {
    const std::string name = "downsample_conv_pad" + std::to_string(padding);
    run(name + ".out", [&] {
      UnnestedParameters parameters(record, name + ".", options.device);
      return Downsample(Scope(parameters), get("x").size(1), padding)(get("x"));
    });
  }
  run("fir_downsample_kernel1331_factor2", [&] { return Halved(get("x"), Filter::kBinomial); });
  run("fir_upsample_kernel1331_factor2", [&] { return Doubled(get("x"), Filter::kBinomial); });
  run("fourier.out", [&] { return FourierFeatures(at::log(get("fourier.in")), get("fourier.weight")); });
  constexpr std::pair<const char*, Activation> kActivations[] = {
      {"silu", Activation::kSilu},
      {"mish", Activation::kMish},
      {"gelu_erf", Activation::kGelu},
      {"gelu_tanh", Activation::kGeluTanh},
      {"quick_gelu", Activation::kQuickGelu},
  };
  for (const auto& [name, activation] : kActivations) {
    run(name, [&, activation = activation] { return Activate(activation, get("x")); });
  }
  run("groupnorm_4groups_eps1e-6", [&] {
    RecordedParameters parameters(record, "groupnorm.", options.device);
    return GroupNorm(Scope(parameters), 4, get("x").size(1), 1e-6)(get("x"));
  });
}

}  // namespace mind::diffusion
