// formats/: the same models from other files. Single files and MindSpore checkpoints must give the tensors of
// the diffusers-layout model exactly; those that have cases of their own must meet them.
#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/glide_case.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/golden/tolerances.h"
#include "worker/diffusion/models/super_resolution_gan.h"
#include "worker/diffusion/models/unet.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/weights/mindspore.h"
#include "worker/diffusion/weights/names/glide_names.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"
#include "worker/diffusion/weights/names/mindspore_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

// Of bytes, relative to the largest, which may be as small as 128.
constexpr double kOneLevel = 1.01 / 128;

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
    if (options_.Wants(name)) report_.Run(name, check);
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
    for (const auto& [name, part] : parts)
      ExpectSame(name, part, ReadComponent((model / name).string()), result);
  }

  void SingleFiles() {
    const fs::path folder = folder_ / "single_file";
    if (!fs::exists(folder)) return;
    for (const auto& item : ReadGoldenJson(folder / "index.json")) {
      const std::string file = item.at("file");
      RunCase("formats/single_file/" + file, [&](Report::Case& result) {
        const fs::path model = options_.directory / item.at("same_weights_as").get<std::string>();
        const NamedTensors tensors = ReadWeights((folder / file).string());
        ExpectSameModel(FromLatentDiffusion(tensors), model, result);
      });
    }
  }

  void MindSporeFiles() {
    if (!fs::exists(folder_ / "mindspore")) return;
    const nlohmann::json index = ReadGoldenJson(folder_ / "mindspore" / "index.json");
    for (const auto& item : index) {
      const std::string file = item.at("file");
      RunCase("formats/" + file, [&](Report::Case& result) {
        if (item.contains("same_weights_as")) {
          const fs::path model = options_.directory / item.at("same_weights_as").get<std::string>();
          const NamedTensors tensors = FromMindSpore(ReadWeights((folder_ / file).string()));
          ExpectSameModel(FromLatentDiffusion(tensors), model, result);
        } else if (item.contains("case")) {
          Glide(item, result);
        } else {
          Twin(file, index, result);
        }
      });
    }
  }

  // "NAME_twin": the UNet of the model that NAME's checkpoints hold, with the GELU that MindSpore computes,
  // on the inputs of the model's own case.
  void Twin(const std::string& file, const nlohmann::json& index, Report::Case& result) const {
    const std::string stem = file.substr(0, file.rfind("_twin"));
    fs::path model;
    for (const auto& item : index) {
      if (item.contains("same_weights_as") && item.at("file").get<std::string>().rfind(stem, 0) == 0)
        model = options_.directory / item.at("same_weights_as").get<std::string>();
    }
    if (model.empty()) throw Error("no checkpoint " + stem + "… says which model this is a twin of");
    UNetConfig config = UNetConfig::From(Config::FromFile((model / "unet" / "config.json").string()));
    config.gate = Activation::kGeluTanh;
    FileParameters weights(ReadComponent((model / "unet").string()), options_.parameters());
    const Record inputs(options_.directory / "components" /
                        (model.filename().string() + ".unet.safetensors"));
    const auto in = [&](const char* name) {
      return inputs.Get(std::string("in.") + name).to(options_.device);
    };
    const at::Tensor output =
        UNet(Scope(weights), config)({.sample = in("sample"),
                                      .timestep = in("timestep").to(at::kFloat),
                                      .told = {{Condition::kText, in("encoder_hidden_states")}}});
    result.Compare("sample", output, result.Open(folder_ / file).Get("twin.unet_sample_tanh_gelu"),
                   kComponentTolerance);
  }

  void Glide(const nlohmann::json& item, Report::Case& result) const {
    const NamedTensors tensors =
        FromMindSpore(ReadWeights((folder_ / item.at("file").get<std::string>()).string()));
    const Record& record = result.Open(folder_ / item.at("case").get<std::string>());
    const nlohmann::json options = ReadGoldenJson(folder_ / item.at("config").get<std::string>());
    const Config original(options, "the case's options");
    const NamedTensors stored = FromGlide(tensors, GlideShapeOf(original));
    result.Compare("model_output", RunGlideCase(original, stored, record, options_.parameters()).output,
                   record.Get("out.model_output"), kComponentTolerance);
    result.Compare("Taichu's model_output",
                   RunGlideCase(AsTaichu(options), stored, record, options_.parameters()).output,
                   record.Get("twin.taichu_model_output"), kComponentTolerance);
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
    if (!fs::exists(folder / "index.json")) return;
    const nlohmann::json index = ReadGoldenJson(folder / "index.json");
    for (const auto& entry : index.at("files")) {
      // "srgan/srgan.ckpt (how it is stored)"; the case is listed among the files.
      const std::string line = entry, file = line.substr(0, line.find(' '));
      if (file.ends_with("case.safetensors")) continue;
      RunCase("formats/" + file, [&](Report::Case& result) {
        NamedTensors tensors = ReadWeights((folder_ / file).string());
        const SuperResolutionGan::Shape shape = SuperResolutionGan::ShapeOf(tensors);
        FileParameters weights(std::move(tensors), options_.parameters());
        const SuperResolutionGan gan(Scope(weights), shape);
        weights.ExpectAllTaken();
        CheckSrgan(gan, result.Open(folder / "case.safetensors"), result);
      });
    }
  }

  void CheckSrgan(const SuperResolutionGan& gan, const Record& record, Report::Case& result) const {
    const auto bytes = [](const at::Tensor& picture) { return ToBytes(picture / 2 + 0.5).to(at::kFloat); };
    const at::Tensor large = gan(record.Get("in.x").to(options_.device));
    result.Compare("sr", large, record.Get("out.sr"), kComponentTolerance);
    std::vector<at::Tensor> side_by_side;
    for (const at::Tensor& picture : large.unbind()) side_by_side.push_back(bytes(picture));
    result.Compare("as bytes", at::cat(side_by_side, /*dim=*/1),
                   record.Get("out.sr_grid_uint8").to(at::kFloat), kOneLevel);

    // Of a picture file, whose bytes the original cuts off instead of rounding.
    const at::Tensor picture =
        (ToFloats(record.Get("in.image_uint8_hwc"), options_.device) * 2 - 1).unsqueeze(0);
    result.Compare("a picture file", picture, record.Get("in.image_float_nchw"), kComponentTolerance);
    const at::Tensor enlarged = gan(picture);
    result.Compare("sr of a picture file", enlarged, record.Get("out.image_sr_float"), kComponentTolerance);
    result.Compare("sr of a picture file, as bytes", bytes(enlarged[0]),
                   record.Get("out.image_sr_uint8_hwc").to(at::kFloat), kOneLevel);
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
