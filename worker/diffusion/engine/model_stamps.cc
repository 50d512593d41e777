#include "worker/diffusion/engine/model_stamps.h"

#include <filesystem>

#include "worker/diffusion/error.h"
#include "worker/diffusion/hash.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/model_files.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

// A model's parts have folders in them (controls/NAME), a prior's too; below there is nothing that is read.
constexpr int kStampDepth = 3;

// Sums do not depend on the order in which a folder is listed.
void AddFile(const std::string& path, uint64_t& stamp) {
  stamp += HashOf(path + "\n" + StampOfFile(path));
}

void AddFolder(const std::string& folder, int depth, ModelStamp& stamp) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string path = entry.path().string(), name = entry.path().filename().string();
    if (IsModelFile(path)) AddFile(path, stamp.rest);
    if (depth == 0 || !entry.is_directory(error)) continue;
    ModelStamp inner;
    AddFolder(path, depth - 1, inner);
    const uint64_t all = inner.loras + inner.words + inner.rest;
    const bool outermost = depth == kStampDepth;
    (outermost && name == kLoraFolder         ? stamp.loras
     : outermost && name == kLearntWordFolder ? stamp.words
                                              : stamp.rest) += all;
  }
}

// Of a model by the path of its folder or file. Autoencoders that requests may choose are no part of it, as
// LoRAs are none.
ModelStamp StampOf(const std::string& path) {
  ModelStamp stamp;
  for (const auto& [name, file] : SafeTensorsIn((fs::path(path).parent_path() / kVaeFolder).string()))
    AddFile(file, stamp.loras);
  std::string folder = path;
  if (IsFile(path)) {
    AddFile(path, stamp.rest);
    folder = fs::path(path).replace_extension().string();
  } else if (const std::string snapshot = SnapshotIn(path); !snapshot.empty()) {
    folder = snapshot;
  }
  AddFolder(folder, kStampDepth, stamp);
  if (const std::string vae = folder + kAutoencoderFile; IsFile(vae)) AddFile(vae, stamp.rest);
  return stamp;
}

// Of a cascade also what its stages look like.
void AddStages(const std::string& path, ModelStamp& stamp) {
  if (!IsFile(path + kCascadeFile)) return;
  try {
    for (const std::string& stage : ModelDirectory(path).StagePaths()) {
      const ModelStamp of_stage = StampOf(stage);
      stamp.loras += of_stage.loras;
      stamp.words += of_stage.words;
      stamp.rest += of_stage.rest;
    }
  } catch (const ModelError&) {
    // Whoever reads it says what is wrong with it.
  }
}

}  // namespace

std::map<std::string, ModelStamp> StampsIn(const std::string& folder) {
  std::map<std::string, ModelStamp> stamps;
  for (const std::string& path : ModelDirectory::CandidatesIn(folder)) {
    ModelStamp stamp = StampOf(path);
    AddStages(path, stamp);
    stamps[path] = stamp;
  }
  return stamps;
}

}  // namespace mind::diffusion
