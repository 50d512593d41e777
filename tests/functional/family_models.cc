#include "tests/functional/family_models.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace mind::testing {
namespace {

// A family's model in small, of one of the kinds that make-tiny knows.
void AddTiny(const std::string& family, const support::ModelFolder& folder, const std::string& model,
             const std::string& kind) {
  const std::string make = std::string(MIND_BIN) + "/make-tiny " + family + " " + folder.path() + "/" +
                           model + " " + (support::ModelFolder::Golden() / "models/sd1/tokenizer").string() +
                           (kind == "base" ? "" : " " + kind);
  ASSERT_EQ(std::system(make.c_str()), 0) << make;
}

// SDXL: "base", "refiner", "edit", "steered", "fused", "prompted".
void AddXl(const support::ModelFolder& folder, const std::string& model, const std::string& kind) {
  AddTiny("xl", folder, model, kind);
}

// The base, with a refiner that goes on with its latents.
void AddXlCascade(const support::ModelFolder& folder, const std::string& name) {
  AddXl(folder, "base", "base");
  AddXl(folder, "refiner", "refiner");
  const std::filesystem::path path = std::filesystem::path(folder.path()) / name;
  std::filesystem::create_directory(path);
  std::ofstream(path / "cascade.json")
      << R"({"_class_name": "Cascade", "stages": ["../base", "../refiner"], "hand_over": 0.6})";
}

// The same of a family whose tokenizers are made with it. DeepFloyd-IF ("floyd"): "first", "second", or
// "cascade" of both. Qwen-Image ("qwen_image"): "maker", "editor". FLUX.2 klein ("flux2"): "base",
// "distilled".
void AddWhole(const std::string& family, const support::ModelFolder& folder, const std::string& model,
              const std::string& kind) {
  const std::string make =
      std::string(MIND_BIN) + "/make-tiny " + family + " " + folder.path() + "/" + model + " " + kind;
  ASSERT_EQ(std::system(make.c_str()), 0) << make;
}

void AddZImage(const support::ModelFolder& folder, const std::string& model) {
  const std::string make = std::string(MIND_BIN) + "/make-tiny zimage " + folder.path() + "/" + model;
  ASSERT_EQ(std::system(make.c_str()), 0) << make;
}

// Stable Diffusion 1, whole in one file, with another autoencoder beside it.
void AddFile(const support::ModelFolder& folder, const std::string& model) {
  for (const std::string& file : {model + ".safetensors 1", model + ".vae.safetensors 2"}) {
    const std::string make = std::string(MIND_BIN) + "/make-tiny file " + folder.path() + "/" + file;
    ASSERT_EQ(std::system(make.c_str()), 0) << make;
  }
}

}  // namespace

void AddFamily(support::ModelFolder& folder, const std::string& model) {
  if (model == "taichu") return folder.AddTaichu(model);
  if (model == "cascade") return folder.AddCascade(model);
  if (model == "sd-file") return AddFile(folder, model);
  if (model == "z-image") return AddZImage(folder, model);
  if (model.substr(0, 3) == "if-") return AddWhole("floyd", folder, model, model.substr(3));
  if (model == "xl") return AddXl(folder, model, "base");
  if (model == "xl-both") return AddXlCascade(folder, model);
  if (model == "karlo-stages") return AddTiny("unclip", folder, model, "karlo");
  if (model.substr(0, 5) == "karlo" || model.substr(0, 6) == "stable")
    return AddTiny("unclip", folder, model, model);
  if (model == "sd3") return AddTiny("sd3", folder, model, "base");
  if (model.substr(0, 9) == "kandinsky") return AddTiny("kandinsky", folder, model, model);
  if (model.substr(0, 6) == "klein-") return AddWhole("flux2", folder, model, model.substr(6));
  if (model.substr(0, 4) == "flux")
    return AddTiny("flux", folder, model, model.size() > 5 ? model.substr(5) : "base");
  if (model.substr(0, 5) == "qwen-") return AddWhole("qwen_image", folder, model, model.substr(5));
  if (model.substr(0, 3) == "xl-") return AddXl(folder, model, model.substr(3));
  if (model == "sd1-scored" || model == "glide-scored") {
    folder.Add(model, model.substr(0, model.find('-')));
    return folder.AddScorer(model, model == "sd1-scored" ? "clip" : "noised_clip");
  }
  const bool with_loras = model == "sd1-with-loras";
  folder.Add(model, with_loras ? "sd1" : model);
  if (with_loras) folder.AddLoras(model);
}

}  // namespace mind::testing
