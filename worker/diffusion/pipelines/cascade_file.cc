// What a cascade's directory says of its stages: those of ModelDirectory's functions that read cascade.json.
#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/model_files.h"

namespace mind::diffusion {
namespace {

constexpr size_t kMostCascadeStages = 4;

}  // namespace

std::vector<std::string> ModelDirectory::StagePaths() const {
  const Config config = Config::FromFile(path_ + kCascadeFile);
  std::vector<std::string> paths = config.RequiredStrings("stages");
  if (paths.size() < 2 || paths.size() > kMostCascadeStages)
    config.Unsupported("stages", "2 to 4 model directories");
  for (std::string& path : paths) {
    path = std::filesystem::path(path_ + "/" + path).lexically_normal().string();
    if (IsFile(path + kCascadeFile)) throw UnsupportedError(path + ": a cascade within a cascade");
  }
  return paths;
}

std::vector<ModelDirectory> ModelDirectory::Stages() const {
  std::vector<ModelDirectory> stages;
  for (const std::string& path : StagePaths()) {
    // The second alone goes on with what the first has made.
    if (stages.size() == 1) {
      stages.emplace_back(path, stages.front());
    } else {
      stages.emplace_back(path);
    }
  }
  return stages;
}

double ModelDirectory::HandOver() const {
  const Config config = Config::FromFile(path_ + kCascadeFile);
  const double share = config.Double("hand_over", 1);
  if (!(share > 0 && share <= 1)) config.Unsupported("hand_over", "more than 0, up to 1");
  if (share < 1 && StagePaths().size() != 2) config.Unsupported("hand_over", "1, but for two stages");
  return share;
}

}  // namespace mind::diffusion
