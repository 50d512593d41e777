// formats/: the same models from other files. Single files and MindSpore checkpoints must give the tensors of
// the diffusers-layout model exactly; those that have cases of their own must meet them.
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/glide_case.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/models/super_resolution_gan.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/weights/mindspore.h"
#include "worker/diffusion/weights/names/glide_names.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"
#include "worker/diffusion/weights/names/mindspore_names.h"
#include "worker/diffusion/weights/safetensors.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr double kTolerance = 2e-5;  // formats/README: components

class Formats {
 public:
  Formats(const GoldenOptions& options, Report& report)
      : options_(options), folder_(options.directory / "formats"), report_(report) {}

  void Run() {
    SingleFiles();
    MindSporeFiles();
    MalformedFiles();
    Srgan();
  }

 private:
  void RunCase(const std::string& name, const std::function<void(Report::Case&)>& check) {
    if (name.find(options_.filter) != std::string::npos) report_.Run(name, check);
  }

  // Exactly the tensors that the component's own folder has, whatever the dtype.
  static void ExpectSame(const std::string& part, const NamedTensors& actual, const NamedTensors& expected,
                         Report::Case& result) {
    for (const auto& [name, tensor] : expected.tensors) {
      // Of attention blocks the folder may have the old names; position_ids are no weights.
      if (!tensor.is_floating_point()) continue;
      static const std::pair<const char*, const char*> kOldNames[] = {
          {".query.", ".to_q."}, {".key.", ".to_k."}, {".value.", ".to_v."}, {".proj_attn.", ".to_out.0."}};
      std::string today = name;
      for (const auto& [before, after] : kOldNames) {
        const size_t at = today.find(before);
        if (at != std::string::npos) today.replace(at, std::string(before).size(), after);
      }
      if (!actual.Has(today)) throw Error(part + " lacks \"" + today + "\"");
      const at::Tensor& found = actual.tensors.at(today);
      if (found.sizes() != tensor.sizes()) throw Error(part + ": \"" + today + "\" has another shape");
      result.Compare(part + " " + today, found.to(at::kFloat), tensor.to(at::kFloat), 0);
    }
  }

  void ExpectSameModel(const LatentDiffusionParts& parts, const fs::path& model, Report::Case& result) const {
    ExpectSame("unet", parts.unet, ReadComponent((model / "unet").string()), result);
    ExpectSame("vae", parts.vae, ReadComponent((model / "vae").string()), result);
    ExpectSame("text_encoder", parts.text_encoder, ReadComponent((model / "text_encoder").string()), result);
  }

  int64_t LayersOf(const fs::path& model) const {
    return UNetConfig::From(Config::FromFile((model / "unet" / "config.json").string())).layers_per_block;
  }

  void SingleFiles() {
    const fs::path folder = folder_ / "single_file";
    if (!fs::exists(folder)) return;
    for (const auto& item : ReadGoldenJson(folder / "index.json")) {
      const std::string file = item.at("file");
      RunCase("formats/single_file/" + file, [&](Report::Case& result) {
        const fs::path model = options_.directory / item.at("same_weights_as").get<std::string>();
        const NamedTensors tensors = ReadWeights((folder / file).string());
        ExpectSameModel(FromLatentDiffusion(tensors, LayersOf(model)), model, result);
      });
    }
  }

  void MindSporeFiles() {
    if (!fs::exists(folder_ / "mindspore")) return;
    for (const auto& item : ReadGoldenJson(folder_ / "mindspore" / "index.json")) {
      const std::string file = item.at("file");
      RunCase("formats/" + file, [&](Report::Case& result) {
        if (item.contains("same_weights_as")) {
          const fs::path model = options_.directory / item.at("same_weights_as").get<std::string>();
          const NamedTensors tensors = FromMindSpore(ReadWeights((folder_ / file).string()));
          ExpectSameModel(FromLatentDiffusion(tensors, LayersOf(model)), model, result);
        } else if (item.contains("case")) {
          Glide(item, result);
        } else {
          WukongTwin(file, result);
        }
      });
    }
  }

  // The UNet with the GELU that MindSpore computes.
  void WukongTwin(const std::string& file, Report::Case& result) const {
    const fs::path unet = options_.directory / "models" / "sd-zh-wukong" / "unet";
    UNetConfig config = UNetConfig::From(Config::FromFile((unet / "config.json").string()));
    config.gate = Activation::kGeluTanh;
    FileParameters weights(ReadComponent(unet.string()), options_.parameters());
    const SafeTensors inputs =
        SafeTensors::Open((options_.directory / "components" / "sd-zh-wukong.unet.safetensors").string());
    const SafeTensors expected = SafeTensors::Open((folder_ / file).string());
    const auto in = [&](const char* name) {
      return inputs.Get(std::string("in.") + name).to(options_.device);
    };
    const at::Tensor output = UNet(Scope(weights), config)({.sample = in("sample"),
                                                            .timestep = in("timestep").to(at::kFloat),
                                                            .context = in("encoder_hidden_states"),
                                                            .label = {}});
    result.Compare("sample", output, expected.tensors().begin()->second, kTolerance);
  }

  void Glide(const nlohmann::json& item, Report::Case& result) const {
    const NamedTensors tensors =
        FromMindSpore(ReadWeights((folder_ / item.at("file").get<std::string>()).string()));
    const SafeTensors record = SafeTensors::Open((folder_ / item.at("case").get<std::string>()).string());
    const nlohmann::json options = ReadGoldenJson(folder_ / item.at("config").get<std::string>());
    nlohmann::json taichu = options;
    taichu["xf_activation"] = "gelu-approximate";
    taichu["xf_norm_eps"] = 1e-7;
    result.Compare("model_output", GlideOutput(tensors, options, record), record.Get("out.model_output"),
                   kTolerance);
    result.Compare("Taichu's model_output", GlideOutput(tensors, taichu, record),
                   record.Get("twin.taichu_model_output"), kTolerance);
  }

  at::Tensor GlideOutput(const NamedTensors& tensors, const nlohmann::json& options,
                         const SafeTensors& record) const {
    const Config config(options, "the case's options");
    FileParameters weights(FromGlide(tensors, GlideShapeOf(config)), options_.parameters());
    const UNet unet(Scope(weights, "unet"), UNetConfig::FromGlide(config));
    const GlideText text(Scope(weights, "text"), GlideTextConfig::From(config));
    weights.ExpectAllTaken();
    return RunGlideCase(unet, text, record, options_.device).output;
  }

  void MalformedFiles() {
    const fs::path folder = folder_ / "mindspore" / "malformed";
    if (!fs::exists(folder)) return;
    const NamedTensors expected = ReadWeights((folder / "expected.safetensors").string());
    const nlohmann::json index = ReadGoldenJson(folder / "index.json");
    for (const auto& item : index.at("files")) {
      const std::string file = item.at("file");
      RunCase("formats/" + file, [&](Report::Case& result) {
        try {
          const NamedTensors tensors = ReadWeights((folder_ / file).string());
          if (!item.at("ok").get<bool>()) throw Error("read without an error, which it has");
          for (const auto& [name, tensor] : expected.tensors) {
            result.Compare(name, tensors.tensors.at(name).to(at::kFloat), tensor.to(at::kFloat), 0);
          }
        } catch (const ModelError& e) {
          if (item.at("ok").get<bool>()) throw Error(e.what());
          result.Expect(std::string(e.what()).find(file.substr(file.rfind('/') + 1)) != std::string::npos,
                        "the error does not name the file");
        }
      });
    }
  }

  void Srgan() {
    const fs::path folder = folder_ / "srgan";
    if (!fs::exists(folder)) return;
    const SafeTensors record = SafeTensors::Open((folder / "case.safetensors").string());
    for (const char* const file : {"srgan.ckpt", "srgan.safetensors"}) {
      RunCase(std::string("formats/srgan/") + file, [&](Report::Case& result) {
        NamedTensors tensors = ReadWeights((folder / file).string());
        const SuperResolutionGan::Shape shape = SuperResolutionGan::ShapeOf(tensors);
        FileParameters weights(std::move(tensors), options_.parameters());
        const SuperResolutionGan gan(Scope(weights), shape);
        weights.ExpectAllTaken();
        result.Compare("sr", gan(record.Get("in.x").to(options_.device)), record.Get("out.sr"), kTolerance);
        const at::Tensor picture = record.Get("in.image_float_nchw").to(options_.device);
        result.Compare("of a picture file", gan(picture), record.Get("out.image_sr_float"), kTolerance);
      });
    }
  }

  const GoldenOptions& options_;
  const fs::path folder_;
  Report& report_;
};

}  // namespace

void RunFormatCases(const GoldenOptions& options, Report& report) {
  if (std::filesystem::exists(options.directory / "formats")) Formats(options, report).Run();
}

}  // namespace mind::diffusion
