// The models of a worker: which there are, and those that are loaded.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_MODEL_CACHE_H_
#define MIND_WORKER_DIFFUSION_ENGINE_MODEL_CACHE_H_

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "worker/diffusion/pipelines/model_directory.h"

namespace mind::diffusion {

// Where the engine gets its pipelines from.
class ModelSource {
 public:
  virtual ~ModelSource() = default;
  // The loaded model, loading it now if need be. Throws RequestError for an unknown name, ModelError if it
  // cannot be loaded. Any thread may call; may take long.
  virtual std::shared_ptr<const Pipeline> Get(const std::string& name) = 0;
};

// Model directories in one folder, loaded on first use and kept. Thread-safe.
class ModelCache : public ModelSource {
 public:
  // Called after each load, from the loading thread, if set.
  using OnLoaded = std::function<void(const std::string& model, double seconds)>;

  // Looks at every directory in `folder` (or at `folder` itself, if it is a model). Directories that claim to
  // be models but are not served are listed with the reason. Throws ModelError if the folder cannot be read.
  ModelCache(const std::string& folder, FileParameters::Options options, OnLoaded on_loaded = nullptr);

  std::shared_ptr<const Pipeline> Get(const std::string& name) override;

  const std::vector<ModelInfo>& models() const { return models_; }
  struct Rejected {
    std::string path, reason;
  };
  const std::vector<Rejected>& rejected() const { return rejected_; }
  std::vector<std::string> LoadedNames() const;

 private:
  struct Slot {
    std::string path;
    std::mutex loading;                        // one loader at a time; others wait for its result
    std::shared_ptr<const Pipeline> pipeline;  // guarded by mutex_ for reading; written under both
  };

  void Consider(const std::string& path);

  // Constant after construction.
  FileParameters::Options options_;
  OnLoaded on_loaded_;
  std::vector<ModelInfo> models_;
  std::vector<Rejected> rejected_;
  std::map<std::string, std::unique_ptr<Slot>> slots_;

  mutable std::mutex mutex_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_MODEL_CACHE_H_
