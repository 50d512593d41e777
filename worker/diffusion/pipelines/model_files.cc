#include "worker/diffusion/pipelines/model_files.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

namespace mind::diffusion {

bool IsFile(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

bool HasWeights(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == kSafeTensors) return true;
  }
  return false;
}

std::map<std::string, std::string> SafeTensorsIn(const std::string& folder) {
  std::map<std::string, std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == kSafeTensors) files[entry.path().stem().string()] = entry.path().string();
  }
  return files;
}

bool IsModelFile(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  for (const char* const known : {kSafeTensors, ".gguf", ".ckpt", ".json", ".txt", ".model", ".bpe"}) {
    if (extension == known) return true;
  }
  return false;
}

std::string StampOfFile(const std::string& path) {
  std::error_code ignored;
  const auto written = std::filesystem::last_write_time(path, ignored).time_since_epoch().count();
  return std::to_string(std::filesystem::file_size(path, ignored)) + " " + std::to_string(written);
}

bool MayBeWholeModel(const std::string& path) {
  const std::string extension = std::filesystem::path(path).extension().string();
  return (extension == kSafeTensors || extension == ".ckpt" || extension == ".gguf") &&
         !path.ends_with(kAutoencoderFile);
}

std::vector<std::string> WholeModelsIn(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (MayBeWholeModel(entry.path().string()) && IsFile(entry.path().string()))
      files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string SnapshotIn(const std::string& path) {
  const std::string name = std::filesystem::path(path).filename().string();
  if (name.rfind("models--", 0) != 0) return "";
  std::ifstream file(path + "/refs/main");
  std::string revision;
  if (!std::getline(file, revision)) return "";
  // A file name, not a way out of the cache.
  if (std::filesystem::path(revision).filename() != revision) return "";
  return path + "/snapshots/" + revision;
}

}  // namespace mind::diffusion
