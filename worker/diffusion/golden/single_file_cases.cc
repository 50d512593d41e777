// single_file/: whole models in one file, with the small files of a model directory beside it: loaded so, and
// tensor by tensor what the directory's own weights are.
#include <cstdlib>
#include <fstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/golden/suites.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

// The model's directory with this file in place of its components' weights, for as long as this lives.
class SingleFileModel {
 public:
  SingleFileModel(const fs::path& model, const fs::path& file) {
    std::string name = (fs::temp_directory_path() / "mind-golden-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(name + ": cannot be made");
    path_ = name;
    for (const auto& entry : fs::recursive_directory_iterator(model)) {
      const fs::path place = path_ / fs::relative(entry.path(), model);
      if (entry.is_directory()) {
        fs::create_directory(place);
      } else if (entry.path().extension() == ".json" || entry.path().extension() == ".txt") {
        if (entry.path().string().find(".safetensors") == std::string::npos)
          fs::create_symlink(fs::absolute(entry.path()), place);
      }
    }
    fs::create_symlink(fs::absolute(file), path_ / file.filename());
  }
  ~SingleFileModel() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  SingleFileModel(const SingleFileModel&) = delete;
  SingleFileModel& operator=(const SingleFileModel&) = delete;

  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

void CheckSingleFile(const nlohmann::json& item, const GoldenOptions& options, Report::Case& result) {
  const fs::path file = options.directory / item.at("file").get<std::string>(),
                 model = options.directory / item.at("model").get<std::string>();
  const NamedTensors tensors = ReadWeights(file.string());
  for (const auto& [name, part] : FromLatentDiffusion(tensors)) {
    const NamedTensors expected = ReadComponent((model / name).string());
    for (const auto& [tensor, value] : expected.tensors) {
      if (!value.is_floating_point()) continue;  // position_ids
      if (!part.Has(tensor)) throw Error(name + " lacks \"" + tensor + "\"");
      result.Compare(name + " " + tensor, part.tensors.at(tensor).to(at::kFloat), value.to(at::kFloat), 0);
    }
  }
  for (const auto& [marker, shape] : item.at("markers").items())
    result.Expect(tensors.Has(marker), "the file lacks the marker " + marker);

  const SingleFileModel directory(model, file);
  const std::unique_ptr<const Pipeline> loaded = LoadPipeline(directory.path(), options.parameters());
  const SamplerConfig& sampler = loaded->sampler_config();
  result.Expect((sampler.prediction == Prediction::kVelocity) == item.at("markers").contains("v_pred"),
                "what the network predicts is not what the file says");
  result.Expect(sampler.zero_terminal_snr == item.at("markers").contains("ztsnr"),
                "whether there is signal at the last step is not what the file says");
}

}  // namespace

void RunSingleFileCases(const GoldenOptions& options, Report& report) {
  const fs::path path = options.directory / "single_file" / "index.json";
  if (!fs::exists(path)) return;
  for (const auto& item : ReadGoldenJson(path)) {
    const std::string name = "single_file/" + fs::path(item.at("file").get<std::string>()).stem().string();
    if (!options.Wants(name)) continue;
    report.Run(name, [&](Report::Case& result) { CheckSingleFile(item, options, result); });
  }
}

}  // namespace mind::diffusion
