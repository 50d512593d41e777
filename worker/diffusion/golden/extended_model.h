// A model's directory with files added to one of its folders, as a user would add them, for as long as this
// lives.
#ifndef MIND_WORKER_DIFFUSION_GOLDEN_EXTENDED_MODEL_H_
#define MIND_WORKER_DIFFUSION_GOLDEN_EXTENDED_MODEL_H_

#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>

#include "worker/diffusion/error.h"

namespace mind::diffusion {

class ExtendedModel {
 public:
  // `files`: by the names, without an extension, that they have in `folder` ("loras"). Throws Error.
  ExtendedModel(const std::filesystem::path& model, const std::string& folder,
                const std::map<std::string, std::filesystem::path>& files) {
    std::string name = (std::filesystem::temp_directory_path() / "mind-golden-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw Error(name + ": cannot be made");
    path_ = name;
    for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::absolute(model)))
      std::filesystem::create_symlink(entry.path(), path_ / entry.path().filename());
    std::filesystem::create_directory(path_ / folder);
    for (const auto& [word, file] : files)
      std::filesystem::create_symlink(std::filesystem::absolute(file),
                                      path_ / folder / (word + ".safetensors"));
  }
  ~ExtendedModel() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ExtendedModel(const ExtendedModel&) = delete;
  ExtendedModel& operator=(const ExtendedModel&) = delete;

  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_GOLDEN_EXTENDED_MODEL_H_
