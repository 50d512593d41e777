// A model's directory with files added to one of its folders, as a user would add them, for as long as this
// lives.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_EXTENDED_MODEL_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_EXTENDED_MODEL_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/json_file.h"

namespace mind::diffusion {

class ExtendedModel {
 public:
  // Throws Error.
  explicit ExtendedModel(const std::filesystem::path& model) {
    std::string name = (std::filesystem::temp_directory_path() / "mind-golden-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(name + ": cannot be made");
    path_ = name;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::absolute(model)))
      std::filesystem::create_symlink(entry.path(), path_ / entry.path().filename());
  }
  // `files`: by the names, without an extension, that they have in `folder` ("loras"). Throws Error.
  ExtendedModel(const std::filesystem::path& model, const std::string& folder,
                const std::map<std::string, std::filesystem::path>& files)
      : ExtendedModel(model) {
    for (const auto& [word, file] : files) Add(folder, word + ".safetensors", file);
  }
  ~ExtendedModel() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ExtendedModel(const ExtendedModel&) = delete;
  ExtendedModel& operator=(const ExtendedModel&) = delete;

  // A file or folder of this name in one of its folders, which is made where there is none.
  void Add(const std::string& folder, const std::string& name, const std::filesystem::path& what) {
    std::filesystem::create_directory(path_ / folder);
    std::filesystem::create_symlink(std::filesystem::absolute(what), path_ / folder / name);
  }
  // A file of this name beside its folders, which has none.
  void Write(const std::string& name, const nlohmann::json& json) { std::ofstream(path_ / name) << json; }
  // Other values of keys in its model_index.json.
  void ChangeIndex(const nlohmann::json& keys) {
    const std::filesystem::path index = path_ / "model_index.json";
    nlohmann::json changed = ReadJsonFile(index.string());
    changed.update(keys);
    std::filesystem::remove(index);
    std::ofstream(index) << changed;
  }

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_EXTENDED_MODEL_H_
