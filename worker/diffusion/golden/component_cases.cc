// components/: one network on recorded inputs. Most records are listed in index*.json; those that are not are
// of a model's original release.
#include <algorithm>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/control_cases.h"
#include "worker/diffusion/golden/floyd_component_cases.h"
#include "worker/diffusion/golden/flux2_cases.h"
#include "worker/diffusion/golden/flux_cases.h"
#include "worker/diffusion/golden/glide_case.h"
#include "worker/diffusion/golden/picture_prompt_cases.h"
#include "worker/diffusion/golden/qwen_image_cases.h"
#include "worker/diffusion/golden/qwen_text_cases.h"
#include "worker/diffusion/golden/sd3_cases.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/golden/unclip_component_cases.h"
#include "worker/diffusion/golden/z_image_component_cases.h"
#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/bert_text.h"
#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/diffusion_transformer.h"
#include "worker/diffusion/models/movq.h"
#include "worker/diffusion/models/tiny_autoencoder.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/guidance.h"
#include "worker/diffusion/weights/names/ddpm_names.h"
#include "worker/diffusion/weights/names/dit_names.h"
#include "worker/diffusion/weights/names/taesd_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr char kOriginalTaesd[] = "TAESD", kOriginalDit[] = "DiT", kReportDdpm[] = "AbarankabDDPM";

// One component directory (config.json and weights) and the recorded case for it.
struct ComponentCase {
  nlohmann::json json;
  Config config;
  NamedTensors stored;  // under the names that our networks ask for
  FileParameters::Options options;
  const Record& record;

  FileParameters Weights() const { return FileParameters(stored, options); }
  at::Tensor In(const std::string& name) const { return record.Get("in." + name).to(options.device); }
  at::Tensor MaybeIn(const std::string& name) const {
    return record.Has("in." + name) ? In(name) : at::Tensor();
  }
  // Where the record has such an output.
  void Compare(Report::Case& result, const std::string& name, const at::Tensor& actual) const {
    if (record.Has("out." + name))
      result.Compare(name, actual, record.Get("out." + name), kComponentTolerance);
  }
};

void CheckUNet(const ComponentCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const UNet unet(Scope(weights), UNetConfig::From(c.config));
  weights.ExpectAllTaken();
  DenoiserInput input{.sample = c.In("sample"),
                      .timestep = c.In("timestep").to(at::kFloat),
                      .told = {{Condition::kText, c.MaybeIn("encoder_hidden_states")},
                               {Condition::kPooled, c.MaybeIn("text_embeds")},
                               {Condition::kSizes, c.MaybeIn("time_ids")},
                               {Condition::kGuidance, c.MaybeIn("timestep_cond")}}};
  // diffusers calls whatever joins the time embedding a class.
  if (const at::Tensor joining = c.MaybeIn("class_labels"); joining.defined())
    input.told.Set(joining.is_floating_point() ? Condition::kImage : Condition::kLabel, joining);
  if (const at::Tensor picture = c.MaybeIn("image_embeds"); picture.defined())
    input.told.Set(Condition::kImage, picture);
  if (const at::Tensor mask = c.MaybeIn("attention_mask"); mask.defined())
    input.told.Set(Condition::kTextMask, ToldMask(mask));
  const std::unique_ptr<const ControlNetwork> added = TellRecorded(c.record, input.told);
  c.Compare(result, "sample", unet(input));
}

void CheckAutoencoder(const ComponentCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const AutoencoderKl autoencoder(Scope(weights), AutoencoderConfig::From(c.config));
  weights.ExpectAllTaken();
  if (c.record.Has("in.image")) {
    const at::Tensor moments = autoencoder.EncodeMoments(c.In("image"));
    c.Compare(result, "moments", moments);
    const LatentDistribution latents = LatentDistribution::Of(moments, /*dim=*/1);
    c.Compare(result, "mean", latents.mean);
    c.Compare(result, "mode", latents.mean);
    c.Compare(result, "logvar", latents.log_variance);
    c.Compare(result, "std", latents.deviation());
    if (c.record.Has("in.noise")) c.Compare(result, "sample", latents.Sample(c.In("noise")));
  }
  if (c.record.Has("in.z")) {
    const at::Tensor decoded = autoencoder.Decode(c.In("z"));
    c.Compare(result, "image", decoded);
    c.Compare(result, "decoded", decoded);
  }
}

void CheckMovq(const ComponentCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const Movq movq(Scope(weights), MovqConfig::From(c.config));
  weights.ExpectAllTaken();
  if (c.record.Has("in.image")) c.Compare(result, "latents", movq.Encode(c.In("image")));
  if (c.record.Has("in.z")) c.Compare(result, "image", movq.Decode(c.In("z")));
}

void CheckClipText(const ComponentCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const ClipText encoder(Scope(weights), ClipTextConfig::From(c.config));
  weights.ExpectAllTaken();
  const at::Tensor ids = c.In("input_ids");
  const TextStates states = encoder.States(ids, {});
  const std::vector<at::Tensor>& hidden = states.layers;
  const at::Tensor& penultimate = hidden[hidden.size() - 2];
  c.Compare(result, "embeddings", hidden.front());
  c.Compare(result, "hidden_states_m1_no_final_ln", hidden.back());
  for (size_t back = 1; back <= hidden.size(); ++back) {
    c.Compare(result, "hidden_states_m" + std::to_string(back), hidden[hidden.size() - back]);
  }
  c.Compare(result, "penultimate", penultimate);
  c.Compare(result, "penultimate_no_final_ln", penultimate);
  c.Compare(result, "penultimate_final_ln", encoder.Encode(ids, 1));
  c.Compare(result, "last_hidden_state", encoder.Encode(ids));
  c.Compare(result, "pooler_output", states.pooled);
  c.Compare(result, "text_embeds", states.pooled);
}

void CheckBertText(const ComponentCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const BertText encoder(Scope(weights), BertTextConfig::From(c.config));
  weights.ExpectAllTaken();
  const std::vector<at::Tensor> hidden = encoder.Hidden(c.In("input_ids"), c.In("attention_mask"));
  c.Compare(result, "last_hidden_state", hidden.back());
  c.Compare(result, "penultimate", hidden[hidden.size() - 2]);
  c.Compare(result, "pooler_output", encoder.Pooled(hidden.back()));
  c.Compare(result, "last_hidden_state_no_mask", encoder.Encode(c.In("input_ids")));
}

void CheckReportDdpm(const ComponentCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const UNet unet(Scope(weights), UNetConfig::FromReportDdpm(c.config));
  weights.ExpectAllTaken();
  c.Compare(result, "eps",
            unet({.sample = c.In("x"),
                  .timestep = c.In("time").to(at::kFloat),
                  .told = {{Condition::kLabel, c.MaybeIn("y")}}}));
}

// The original's guidance within a batch whose second half has no class. It guides three channels.
void CheckGuidedBatch(const ComponentCase& c, const std::string& name, const at::Tensor& outputs,
                      Report::Case& result) {
  constexpr char kPrefix[] = "forward_with_cfg_scale";
  if (name.rfind(kPrefix, 0) != 0) throw UnsupportedError("the output \"" + name + "\"");
  Conditioning conditioning;
  conditioning.guidance.scale = std::stod(name.substr(sizeof kPrefix - 1));
  conditioning.guided_channels = 3;
  GuidanceMemory memory;
  const int64_t half = outputs.size(0) / 2;
  std::vector<at::Tensor> with, without;
  for (int64_t row = 0; row < half; ++row) {
    with.push_back(Guide(conditioning, {outputs[half + row], outputs[row]}, /*timestep=*/0, memory));
    // The second half keeps a variance of its own.
    without.push_back(at::cat({with.back().slice(0, 0, conditioning.guided_channels),
                               outputs[half + row].slice(0, conditioning.guided_channels)}));
  }
  c.Compare(result, name, at::cat({at::stack(with), at::stack(without)}));
}

void CheckTransformer(const ComponentCase& c, Report::Case& result) {
  FileParameters weights = c.Weights();
  const DiffusionTransformerConfig config = DiffusionTransformerConfig::From(c.config);
  const DiffusionTransformer transformer(Scope(weights), config);
  weights.ExpectAllTaken();
  c.Compare(result, "sample",
            transformer({.sample = c.In("sample"),
                         .timestep = c.In("timestep").to(at::kFloat),
                         .told = {{Condition::kLabel, c.In("class_labels")}}}));
  if (c.record.Has("in.x")) {
    const at::Tensor x = c.In("x"), t = c.In("t").to(at::kFloat), y = c.In("y");
    const auto run = [&](const at::Tensor& sample) {
      return transformer({.sample = sample, .timestep = t, .told = {{Condition::kLabel, y}}});
    };
    c.Compare(result, "forward", run(x));
    const at::Tensor halves = x.slice(0, 0, x.size(0) / 2);
    for (const auto& [name, expected] : c.record.Under("out.forward_with_cfg")) {
      CheckGuidedBatch(c, "forward_with_cfg" + name, run(at::cat({halves, halves})), result);
    }
  }
  if (c.record.Has("pos_embed")) {
    const int64_t grid = config.sample_size / config.patch_size;
    result.Compare("pos_embed", GridEmbedding(grid, grid, config.width, grid),
                   c.record.Get("pos_embed").squeeze(0), kComponentTolerance);
  }
}

void CheckGlide(const ComponentCase& c, Report::Case& result) {
  const GlideOutputs outputs = RunGlideCase(c.config, c.stored, c.record, c.options);
  c.Compare(result, "xf_out", outputs.context.transpose(1, 2));
  c.Compare(result, "xf_proj", outputs.projection);
  c.Compare(result, "model_output", outputs.output);
  constexpr char kTwin[] = "twin.taichu_model_output";
  if (c.record.Has(kTwin)) {
    result.Compare(kTwin, RunGlideCase(AsTaichu(c.json), c.stored, c.record, c.options).output,
                   c.record.Get(kTwin), kComponentTolerance);
  }
}

void CheckTinyAutoencoder(const ComponentCase& c, Report::Case& result) {
  // The original says only how many channels it has; its pictures go from 0 to 1, diffusers' from -1.
  const bool original = c.config.String("_class_name", "") == kOriginalTaesd;
  const TinyAutoencoderConfig config = TinyAutoencoderConfig::From(
      original ? Config({{"latent_channels", c.config.RequiredInt("latent_channels")}}, c.config.name())
               : c.config);
  FileParameters weights = c.Weights();
  const TinyAutoencoder autoencoder(Scope(weights), config);
  weights.ExpectAllTaken();
  const at::Tensor image = c.In("image");
  const at::Tensor latents = autoencoder.Encode(original ? image * 2 - 1 : image);
  c.Compare(result, "latents", latents);
  c.Compare(result, "latent", latents);
  const at::Tensor decoded = autoencoder.Decode(c.record.Has("in.z") ? c.In("z") : latents);
  c.Compare(result, "decoded", original ? decoded / 2 + 0.5 : decoded);
  c.Compare(result, "decoded_clamped", (decoded / 2 + 0.5).clamp(0, 1));
}

using Check = void (*)(const ComponentCase&, Report::Case&);

Check CheckFor(const Config& config) {
  const std::string kind = config.String("_class_name", config.String("model_type", ""));
  if (kind == "UNet2DModel" || kind == "UNet2DConditionModel") return CheckUNet;
  if (kind == kReportDdpm) return CheckReportDdpm;
  if (kind == "Transformer2DModel" || kind == kOriginalDit) return CheckTransformer;
  if (kind == "GlideText2ImUNet" || kind == "GlideSuperResText2ImUNet") return CheckGlide;
  if (kind == "AutoencoderKL") return CheckAutoencoder;
  if (kind == "VQModel") return CheckMovq;
  if (kind == "AutoencoderTiny" || kind == kOriginalTaesd) return CheckTinyAutoencoder;
  if (kind == "clip_text_model") return CheckClipText;
  if (kind == "bert") return CheckBertText;
  throw UnsupportedError(config.name() + ": a component of kind \"" + kind + "\"");
}

// The only file of weights in a directory whose name ends so.
NamedTensors OnlyFile(const fs::path& directory, const std::string& ending) {
  std::vector<std::string> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.path().filename().string().ends_with(ending)) found.push_back(entry.path().string());
  }
  if (found.size() == 1) return ReadWeights(found.front());
  throw ModelError(directory.string() + ": " + std::to_string(found.size()) + " files *" + ending +
                   ", where there should be one");
}

// Whatever names the weights have, under those our networks ask for.
NamedTensors WeightsIn(const fs::path& directory, const Config& config) {
  const std::string kind = config.String("_class_name", "");
  if (kind == kOriginalDit) return FromOriginalDit(OnlyFile(directory, ".safetensors"));
  if (kind == kOriginalTaesd) {
    NamedTensors weights = FromOriginalTaesd(OnlyFile(directory, "_encoder.safetensors"), /*decoder=*/false);
    weights.tensors.merge(
        FromOriginalTaesd(OnlyFile(directory, "_decoder.safetensors"), /*decoder=*/true).tensors);
    return weights;
  }
  NamedTensors stored = ReadComponent(directory.string());
  if (kind == kReportDdpm) return FromReportDdpm(stored, config.RequiredInt("num_res_blocks"));
  if (kind.rfind("Glide", 0) == 0) return FromGlide(stored, GlideShapeOf(config));
  return stored;
}

// "eps-probe" is one model directory whose cases name their component.
fs::path ComponentDirectory(const fs::path& model, const std::string& case_name) {
  const std::string component = case_name.substr(case_name.find('.') + 1);
  return fs::exists(model / "config.json") || !fs::exists(model / component) ? model : model / component;
}

// Where the model of a record lies that no index lists: "NAME.what" is of the original release of
// models/NAME, "NAME_what" of vocab/NAME.
fs::path UnlistedModel(const fs::path& golden, const std::string& name) {
  const fs::path original = golden / "models" / (name.substr(0, name.find('.')) + "_original_names");
  return fs::exists(original) ? original : golden / "vocab" / name.substr(0, name.find('_'));
}

// "A + B": the directories of both, from the golden one.
std::vector<fs::path> DirectoriesOf(const fs::path& golden, const std::string& models) {
  constexpr char kAnd[] = " + ";
  std::vector<fs::path> directories;
  size_t begin = 0;
  for (size_t end = models.find(kAnd); end != std::string::npos; end = models.find(kAnd, begin)) {
    directories.push_back(golden / models.substr(begin, end - begin));
    begin = end + sizeof kAnd - 1;
  }
  directories.push_back(golden / models.substr(begin));
  return directories;
}

// Whether the case was of what steers a UNet, and has been run.
bool RanControlCase(const GoldenOptions& options, const std::string& name, const std::string& models,
                    Report& report) {
  const std::vector<fs::path> directories = DirectoriesOf(options.directory, models);
  const fs::path config = directories.front() / "config.json";
  if (!fs::exists(config)) return false;
  const ControlCheck check = ControlCheckFor(Config::FromFile(config.string()));
  if (check == nullptr) return false;
  report.Run("components/" + name, [&](Report::Case& result) {
    const fs::path record = options.directory / "components" / name;
    const nlohmann::json json = ReadGoldenJson(record.string() + ".json");
    check({directories,
           json.value("config", nlohmann::json::object()).value("arguments", nlohmann::json::object()),
           result.Open(record.string() + ".safetensors"), options.parameters()},
          result);
  });
  return true;
}

void RunComponentCase(const GoldenOptions& options, const std::string& name, const fs::path& model,
                      const nlohmann::json& outputs, Report& report) {
  report.Run("components/" + name, [&](Report::Case& result) {
    if (!fs::exists(model / "config.json")) throw UnsupportedError(model.string() + ": no config.json");
    const std::string file = (model / "config.json").string();
    const nlohmann::json json = ReadJsonFile(file);
    const Config config(json, file);
    const Check check = CheckFor(config);
    const ComponentCase c{json, config, WeightsIn(model, config), options.parameters(),
                          result.Open(options.directory / "components" / (name + ".safetensors"))};
    check(c, result);
    for (const auto& [output, shape] : outputs.items()) {
      if (!c.record.Has("out." + output)) throw Error("the record lacks \"out." + output + "\"");
    }
  });
}

}  // namespace

void RunComponentCases(const GoldenOptions& options, Report& report) {
  const fs::path folder = options.directory / "components";
  for (const fs::path& index : FilesIn(folder, ".json")) {
    if (index.stem().string().rfind("index", 0) != 0) continue;
    const nlohmann::json cases = ReadGoldenJson(index);
    for (const auto& item : cases.is_array() ? cases : nlohmann::json::array({cases})) {
      const std::string name = item.at("name");
      if (!options.Wants("components/" + name)) continue;
      if (RanFloydCase(options, item, report) || RanUnclipCase(options, item, report) ||
          RanPicturePromptCase(options, item, report) || RanQwenTextCase(options, item, report) ||
          RanZImageCase(options, item, report) || RanFluxCase(options, item, report) ||
          RanFlux2Case(options, item, report) || RanQwenImageCase(options, item, report) ||
          RanSd3Case(options, item, report))
        continue;
      if (RanControlCase(options, name, item.at("model"), report)) continue;
      RunComponentCase(options, name,
                       ComponentDirectory(options.directory / item.at("model").get<std::string>(), name),
                       item.value("outputs", nlohmann::json::object()), report);
    }
  }
  for (const fs::path& file : FilesIn(folder, ".safetensors")) {
    const std::string name = file.stem().string();
    if (!options.Wants("components/" + name) || report.HasRun("components/" + name)) continue;
    if (name == kPrimitives || name == kImageProcessing) continue;  // suites of their own
    RunComponentCase(options, name, UnlistedModel(options.directory, name), nlohmann::json::object(), report);
  }
}

}  // namespace mind::diffusion
