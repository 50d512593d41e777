// components/index*.json: one network on recorded inputs.
#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/glide_case.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/bert_text.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/diffusion_transformer.h"
#include "worker/diffusion/models/tiny_autoencoder.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/weights/names/ddpm_names.h"
#include "worker/diffusion/weights/names/dit_names.h"
#include "worker/diffusion/weights/names/taesd_names.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 2e-5;  // golden README: components, relative to the largest value

// One component directory (config.json and weights) and the recorded case for it.
struct ComponentCase {
  Config config;
  FileParameters weights;
  SafeTensors record;
  at::Device device;

  at::Tensor In(const std::string& name) const { return record.Get("in." + name).to(device); }
  at::Tensor MaybeIn(const std::string& name) const {
    return record.Has("in." + name) ? In(name) : at::Tensor();
  }
  void Compare(Report::Case& result, const std::string& name, const at::Tensor& actual) const {
    if (record.Has("out." + name)) result.Compare(name, actual, record.Get("out." + name), kTolerance);
  }
};

void CheckUNet(ComponentCase& c, Report::Case& result) {
  const UNet unet(Scope(c.weights), UNetConfig::From(c.config));
  c.weights.ExpectAllTaken();
  const DenoiserInput input{.sample = c.In("sample"),
                            .timestep = c.In("timestep").to(at::kFloat),
                            .context = c.MaybeIn("encoder_hidden_states"),
                            .label = c.MaybeIn("class_labels")};
  c.Compare(result, "sample", unet(input));
}

void CheckAutoencoder(ComponentCase& c, Report::Case& result) {
  const AutoencoderKl autoencoder(Scope(c.weights), AutoencoderConfig::From(c.config));
  c.weights.ExpectAllTaken();
  if (c.record.Has("in.image")) {
    const at::Tensor moments = autoencoder.EncodeMoments(c.In("image"));
    c.Compare(result, "moments", moments);
    c.Compare(result, "mean", moments.chunk(2, 1)[0]);
  }
  if (c.record.Has("in.z")) {
    const at::Tensor decoded = autoencoder.Decode(c.In("z"));
    c.Compare(result, "image", decoded);
    c.Compare(result, "decoded", decoded);
  }
}

void CheckClipText(ComponentCase& c, Report::Case& result) {
  const ClipText encoder(Scope(c.weights), ClipTextConfig::From(c.config));
  c.weights.ExpectAllTaken();
  const at::Tensor ids = c.In("input_ids");
  const ClipText::Output output = encoder(ids);
  const at::Tensor& last = output.hidden.back();
  const at::Tensor& penultimate = output.hidden[output.hidden.size() - 2];
  c.Compare(result, "embeddings", output.embeddings);
  c.Compare(result, "hidden_states_m1_no_final_ln", last);
  c.Compare(result, "penultimate_no_final_ln", penultimate);
  c.Compare(result, "penultimate_final_ln", encoder.Encode(ids, 1));
  c.Compare(result, "last_hidden_state", encoder.Encode(ids));
  c.Compare(result, "pooler_output", encoder.Pooled(ids, encoder.FinalNorm(last)));
}

void CheckBertText(ComponentCase& c, Report::Case& result) {
  const BertText encoder(Scope(c.weights), BertTextConfig::From(c.config));
  c.weights.ExpectAllTaken();
  const std::vector<at::Tensor> hidden = encoder.Hidden(c.In("input_ids"), c.In("attention_mask"));
  c.Compare(result, "last_hidden_state", hidden.back());
  c.Compare(result, "penultimate", hidden[hidden.size() - 2]);
  c.Compare(result, "pooler_output", encoder.Pooled(hidden.back()));
  c.Compare(result, "last_hidden_state_no_mask", encoder.Encode(c.In("input_ids")));
}

void CheckReportDdpm(ComponentCase& c, Report::Case& result) {
  const UNet unet(Scope(c.weights), UNetConfig::FromReportDdpm(c.config));
  c.weights.ExpectAllTaken();
  c.Compare(result, "eps",
            unet({.sample = c.In("x"),
                  .timestep = c.In("time").to(at::kFloat),
                  .context = {},
                  .label = c.MaybeIn("y")}));
}

void CheckTransformer(ComponentCase& c, Report::Case& result) {
  const DiffusionTransformer transformer(Scope(c.weights), DiffusionTransformerConfig::From(c.config));
  c.weights.ExpectAllTaken();
  const auto run = [&](const char* sample, const char* timestep, const char* label) {
    return transformer({.sample = c.In(sample),
                        .timestep = c.In(timestep).to(at::kFloat),
                        .context = {},
                        .label = c.In(label)});
  };
  c.Compare(result, "sample", run("sample", "timestep", "class_labels"));
  if (c.record.Has("in.x")) c.Compare(result, "forward", run("x", "t", "y"));
}

void CheckGlide(ComponentCase& c, Report::Case& result) {
  const UNet unet(Scope(c.weights, "unet"), UNetConfig::FromGlide(c.config));
  const GlideText text(Scope(c.weights, "text"), GlideTextConfig::From(c.config));
  c.weights.ExpectAllTaken();
  const GlideOutputs outputs = RunGlideCase(unet, text, c.record, c.device);
  c.Compare(result, "xf_out", outputs.context.transpose(1, 2));
  c.Compare(result, "model_output", outputs.output);
}

void CheckTinyAutoencoder(ComponentCase& c, Report::Case& result) {
  const TinyAutoencoder autoencoder(Scope(c.weights), TinyAutoencoderConfig::From(c.config));
  c.weights.ExpectAllTaken();
  // The original's pictures go from 0 to 1, diffusers' from -1.
  const bool original = !c.config.Unset("original");
  const at::Tensor image = c.In("image");
  const at::Tensor latents = autoencoder.Encode(original ? image * 2 - 1 : image);
  c.Compare(result, "latents", latents);
  c.Compare(result, "latent", latents);
  const at::Tensor decoded = autoencoder.Decode(c.record.Has("in.z") ? c.In("z") : latents);
  c.Compare(result, "decoded", original ? decoded / 2 + 0.5 : decoded);
}

using Check = void (*)(ComponentCase&, Report::Case&);

Check CheckFor(const Config& config) {
  const std::string kind = config.String("_class_name", config.String("model_type", ""));
  if (kind == "UNet2DModel" || kind == "UNet2DConditionModel") return CheckUNet;
  if (kind == "AbarankabDDPM") return CheckReportDdpm;
  if (kind == "Transformer2DModel" || kind == "DiT") return CheckTransformer;
  if (kind == "GlideText2ImUNet" || kind == "GlideSuperResText2ImUNet") return CheckGlide;
  if (kind == "AutoencoderKL") return CheckAutoencoder;
  if (kind == "AutoencoderTiny") return CheckTinyAutoencoder;
  if (kind == "clip_text_model") return CheckClipText;
  if (kind == "bert") return CheckBertText;
  throw UnsupportedError(config.name() + ": a component of kind \"" + kind + "\"");
}

// Whatever names the weights have, under those our networks ask for.
NamedTensors WeightsIn(const fs::path& directory, const Config& config) {
  const std::string kind = config.String("_class_name", "");
  if (kind == "AbarankabDDPM") {
    return FromReportDdpm(ReadComponent(directory.string()), config.RequiredInt("num_res_blocks"));
  }
  if (kind.rfind("Glide", 0) == 0) return FromGlide(ReadComponent(directory.string()), GlideShapeOf(config));
  return ReadComponent(directory.string());
}

// "eps-probe" is one model directory whose cases name their component.
fs::path ComponentDirectory(const fs::path& model, const std::string& case_name) {
  const std::string component = case_name.substr(case_name.find('.') + 1);
  return fs::exists(model / "config.json") || !fs::exists(model / component) ? model : model / component;
}

// Networks whose cases no index lists: the original DiT beside diffusers' port of it, and a real TAESD.
void RunUnlisted(const GoldenOptions& options, Report& report) {
  const auto run = [&](const std::string& name, const std::string& model, auto&& check) {
    const fs::path record = options.directory / "components" / (name + ".safetensors");
    if (name.find(options.filter) == std::string::npos || !fs::exists(record)) return;
    report.Run("components/" + name, [&](Report::Case& result) {
      check(options.directory / model, SafeTensors::Open(record.string()), result);
    });
  };
  run("dit.original_forward_with_cfg", "models/dit_original_names",
      [&](const fs::path& model, SafeTensors record, Report::Case& result) {
        ComponentCase c{Config::FromFile((model / "config.json").string()),
                        FileParameters(FromOriginalDit(ReadWeights((model / "dit.safetensors").string())),
                                       options.parameters()),
                        std::move(record), options.device};
        CheckTransformer(c, result);
        const DiffusionTransformerConfig config = DiffusionTransformerConfig::From(c.config);
        const int64_t grid = config.sample_size / config.patch_size;
        result.Compare("pos_embed", GridEmbedding(grid, grid, config.width, grid),
                       c.record.Get("pos_embed").squeeze(0), kTolerance);
      });
  run("taef2_real", "vocab/taef2", [&](const fs::path& model, SafeTensors record, Report::Case& result) {
    NamedTensors weights =
        FromOriginalTaesd(ReadWeights((model / "taef2_encoder.safetensors").string()), /*decoder=*/false);
    weights.tensors.merge(
        FromOriginalTaesd(ReadWeights((model / "taef2_decoder.safetensors").string()), /*decoder=*/true)
            .tensors);
    const Config config({{"latent_channels", 32}, {"original", true}}, "taef2");
    ComponentCase c{config, FileParameters(std::move(weights), options.parameters()), std::move(record),
                    options.device};
    CheckTinyAutoencoder(c, result);
  });
}

}  // namespace

void RunComponentCases(const GoldenOptions& options, Report& report) {
  const fs::path folder = options.directory / "components";
  if (!fs::exists(folder)) return;
  std::set<fs::path> indices;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("index", 0) == 0 && entry.path().extension() == ".json") indices.insert(entry.path());
  }
  RunUnlisted(options, report);
  for (const fs::path& index : indices) {
    const nlohmann::json cases = ReadGoldenJson(index);
    for (const auto& item : cases.is_array() ? cases : nlohmann::json::array({cases})) {
      const std::string name = item.at("name");
      if (name.find(options.filter) == std::string::npos) continue;
      report.Run("components/" + name, [&](Report::Case& result) {
        const fs::path model =
            ComponentDirectory(options.directory / item.at("model").get<std::string>(), name);
        if (!fs::exists(model / "config.json")) throw UnsupportedError(model.string() + ": no config.json");
        const Config config = Config::FromFile((model / "config.json").string());
        const Check check = CheckFor(config);
        ComponentCase c{config, FileParameters(WeightsIn(model, config), options.parameters()),
                        SafeTensors::Open((folder / (name + ".safetensors")).string()), options.device};
        check(c, result);
      });
    }
  }
}

}  // namespace mind::diffusion
