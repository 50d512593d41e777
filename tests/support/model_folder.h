// A folder of models made for one test: links to models that there are, under names of its own.
#ifndef MIND_TESTS_SUPPORT_MODEL_FOLDER_H_
#define MIND_TESTS_SUPPORT_MODEL_FOLDER_H_

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/temporary_folder.h"

namespace mind::support {

class ModelFolder {
 public:
  static std::filesystem::path Golden() { return std::filesystem::path(MIND_TEST_DATA) / "golden"; }

  // One of the golden models under another name.
  void Add(const std::string& name, const std::string& model) {
    std::filesystem::create_directory(path_ / name);
    for (const auto& entry : std::filesystem::directory_iterator(Golden() / "models" / model))
      std::filesystem::create_symlink(entry.path(), path_ / name / entry.path().filename());
  }
  // The same with weights of its own: in each file one number is a little different, by `number` (1 to 255).
  void AddAltered(const std::string& name, const std::string& model, uint8_t number) {
    namespace fs = std::filesystem;
    fs::copy(Golden() / "models" / model, path_ / name, fs::copy_options::recursive);
    for (const auto& entry : fs::recursive_directory_iterator(path_ / name)) {
      if (entry.path().extension() != ".safetensors") continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(-4, std::ios::end);
      const int low = file.get();
      file.seekp(-4, std::ios::end);
      file.put(static_cast<char>(low ^ number));
    }
  }
  // GLIDE with a SentencePiece tokenizer, as Taichu's.
  void AddTaichu(const std::string& name) {
    Add(name, "glide");
    std::filesystem::remove(path_ / name / "tokenizer");
    std::filesystem::create_directory(path_ / name / "tokenizer");
    std::filesystem::create_symlink(
        std::filesystem::path(MIND_TEST_DATA) / "sentence_piece" / "tiny" / "tiny.model",
        path_ / name / "tokenizer" / "tiny.model");
  }
  // Two stages: sd1, and the upscaler as if trained for pictures of sd1's size, in three steps. They are in
  // the folder too, as NAME-base and NAME-upscaler.
  void AddCascade(const std::string& name) {
    const std::string base = name + "-base", upscaler = name + "-upscaler";
    Add(base, "sd1");
    Add(upscaler, "sd-x4-upscaler");
    const std::filesystem::path unet = path_ / upscaler / "unet",
                                from = Golden() / "models/sd-x4-upscaler/unet";
    std::filesystem::remove(unet);
    std::filesystem::create_directory(unet);
    for (const auto& entry : std::filesystem::directory_iterator(from)) {
      if (entry.path().extension() == ".safetensors")
        std::filesystem::create_symlink(entry.path(), unet / entry.path().filename());
    }
    std::ifstream file(from / "config.json");
    nlohmann::json config = nlohmann::json::parse(file);
    config["sample_size"] = 64;
    std::ofstream(unet / "config.json") << config;
    std::ofstream(path_ / upscaler / "mind.json") << R"({"default_steps": 3})";
    std::filesystem::create_directory(path_ / name);
    std::ofstream(path_ / name / "cascade.json")
        << nlohmann::json{{"_class_name", "Cascade"}, {"stages", {"../" + base, "../" + upscaler}}};
  }
  // The golden LoRAs (kohya, peft) for a model that was added from sd1.
  void AddLoras(const std::string& name) {
    std::filesystem::create_directory(path_ / name / "loras");
    for (const std::string lora : {"kohya.safetensors", "peft.safetensors"}) {
      std::filesystem::create_symlink(Golden() / "formats" / "lora" / lora, path_ / name / "loras" / lora);
    }
  }

  // A recorded scorer (clip, classifier, noised_clip) for a model that was added.
  void AddScorer(const std::string& name, const std::string& scorer) {
    const std::filesystem::path to = path_ / name / "scorer";
    std::filesystem::create_directory(to);
    std::vector<std::filesystem::path> from = {std::filesystem::path(MIND_TEST_DATA) / "scorers" / scorer};
    if (scorer != "classifier") from.push_back(Golden() / "models/sd1/tokenizer");
    for (const std::filesystem::path& folder : from) {
      for (const auto& entry : std::filesystem::directory_iterator(folder))
        std::filesystem::create_symlink(entry.path(), to / entry.path().filename());
    }
  }

  std::string path() const { return path_.string(); }

 private:
  const TemporaryFolder path_;
};

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_MODEL_FOLDER_H_
