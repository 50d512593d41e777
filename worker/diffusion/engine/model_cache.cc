#include "worker/diffusion/engine/model_cache.h"

#include <chrono>
#include <filesystem>
#include <set>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

namespace fs = std::filesystem;

ModelCache::ModelCache(const std::string& folder, FileParameters::Options options, OnLoaded on_loaded)
    : options_(options), on_loaded_(std::move(on_loaded)) {
  std::error_code error;
  if (ModelDirectory::LooksLikeOne(folder)) {
    Consider(fs::canonical(folder).string());
    return;
  }
  std::set<std::string> paths;  // in name order, whatever the file system's
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(error)) paths.insert(entry.path().string());
  }
  if (!fs::is_directory(folder)) throw ModelError(folder + ": not a directory");
  for (const std::string& path : paths) {
    if (ModelDirectory::LooksLikeOne(path)) Consider(path);
  }
}

void ModelCache::Consider(const std::string& path) {
  try {
    ModelInfo info = DescribeModel(path);
    auto slot = std::make_unique<Slot>();
    slot->path = path;
    slots_[info.name] = std::move(slot);
    models_.push_back(std::move(info));
  } catch (const ModelError& e) {
    rejected_.push_back({path, e.what()});
  }
}

std::shared_ptr<const Pipeline> ModelCache::Get(const std::string& name) {
  const auto found = slots_.find(name);
  if (found == slots_.end()) throw RequestError("this worker has no model named \"" + name + "\"");
  Slot& slot = *found->second;
  const std::lock_guard loading(slot.loading);
  {
    const std::lock_guard lock(mutex_);
    if (slot.pipeline != nullptr) return slot.pipeline;
  }
  const auto begin = std::chrono::steady_clock::now();
  std::shared_ptr<const Pipeline> pipeline = LoadPipeline(slot.path, options_);
  if (on_loaded_)
    on_loaded_(name, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  const std::lock_guard lock(mutex_);
  slot.pipeline = pipeline;
  return pipeline;
}

std::vector<std::string> ModelCache::LoadedNames() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [name, slot] : slots_) {
    if (slot->pipeline != nullptr) names.push_back(name);
  }
  return names;
}

}  // namespace mind::diffusion
