// mind-inspect: says what a path holds, what of it a worker would load, and what is wrong with it: a folder
// of models, a model directory, or a file of weights. Models are loaded for it, as a worker would. With a key
// of watermarks: whether pictures bear them. Exits with 1 if anything is wrong, 2 if the command line is.
#include <cstdio>
#include <filesystem>
#include <set>

#include "proto/support/command_line.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/adapter_library.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"
#include "worker/tools/inspect/contents.h"
#include "worker/tools/inspect/watermarks.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

void Print(const char* label, const std::string& text) {
  std::printf("  %-14s %s\n", label, text.c_str());
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

void DescribeRequests(const ModelInfo& info) {
  std::string asked = std::to_string(info.default_width) + "x" + std::to_string(info.default_height) +
                      " up to " + std::to_string(info.max_width) + "x" + std::to_string(info.max_height) +
                      " in steps of " + std::to_string(info.size_multiple);
  if (info.takes_prompt)
    asked += ", prompts" + (info.languages.empty() ? "" : " in " + Joined(info.languages));
  if (info.class_count > 0) asked += ", " + std::to_string(info.class_count) + " classes";
  if (info.needs_mask) asked += ", needs a picture and a mask";
  if (info.needs_depth) asked += ", needs a picture and its depth";
  if (info.enlargement > 1) asked += ", makes pictures " + std::to_string(info.enlargement) + " times larger";
  Print("makes", asked);
  char defaults[160];
  std::snprintf(defaults, sizeof defaults, "%d steps of %s, guidance %g",
                static_cast<int>(info.default_steps), info.default_sampler.c_str(), info.default_guidance);
  Print("by default", defaults);
}

// What a worker makes of the file of a whole model.
void DescribeAlone(const fs::path& path) {
  try {
    const ModelInfo info = DescribeModel(path.string());
    Print("by itself", "the model \"" + info.name + "\", a " + info.pipeline);
    DescribeRequests(info);
  } catch (const ModelError& e) {
    Print("by itself", std::string("no model: ") + e.what());
  }
}

bool InspectFile(const fs::path& path) {
  const NamedTensors weights = ReadWeights(path.string());
  const std::string kind = KindOfContents(weights);
  std::printf("%s: %s\n", path.c_str(), kind.empty() ? "names of no program known here" : kind.c_str());
  Print("holds", SizeOfContents(weights));
  std::string names;
  for (const auto& [name, tensor] : weights.tensors) {
    if (names.size() > 200) break;
    names += (names.empty() ? "" : ", ") + name;
  }
  Print("begins with", names);
  if (IsLatentDiffusion(weights)) DescribeAlone(path);
  return !kind.empty();
}

// The parts with weights of their own, as they lie in the directory.
void DescribeParts(const fs::path& directory) {
  std::set<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(directory)) {
    if (entry.is_directory() && entry.path().filename() != "loras") folders.insert(entry.path());
  }
  for (const fs::path& folder : folders) {
    try {
      const NamedTensors weights = ReadComponent(folder.string());
      Print(folder.filename().c_str(),
            SizeOfContents(weights) + ", " + fs::path(weights.source).filename().string());
    } catch (const ModelError&) {
      // Not a folder of weights, or one of several variants: loading tells.
    }
  }
}

bool InspectModel(const fs::path& path) {
  const ModelDirectory directory(path.string());
  std::printf("%s: the model \"%s\", a %s\n", path.c_str(), directory.name().c_str(),
              directory.pipeline_class().c_str());
  const ModelInfo info = DescribeModel(directory);
  DescribeParts(directory.path());
  if (directory.IsCascade()) {
    for (const std::string& stage : directory.StagePaths()) Print("stage", stage);
  }
  DescribeRequests(info);
  const std::unique_ptr<const Pipeline> pipeline = LoadPipeline(path.string(), {});
  char loads[80];
  std::snprintf(loads, sizeof loads, "yes, %.1f MiB of weights in memory",
                static_cast<double>(directory.WeightBytes(Precision::kFloat32)) / (1 << 20));
  Print("loads", loads);
  bool fine = true;
  for (const std::string& name : info.loras) {
    try {
      PictureRequest request;
      request.loras = {{name, 1.0}};
      pipeline->Condition(request, pipeline->LatentShape(info.default_width, info.default_height));
      Print("lora", name);
    } catch (const ModelError& e) {
      Print("lora", name + ": does not fit: " + e.what());
      fine = false;
    }
  }
  return fine;
}

// False if anything is wrong with it, which it says.
bool Tried(const fs::path& path, bool (*inspect)(const fs::path&)) {
  try {
    return inspect(path);
  } catch (const Error& e) {
    std::printf("%s\n  %-14s %s\n", path.c_str(), "wrong", e.what());
  } catch (const c10::Error& e) {
    std::printf("%s\n  %-14s %s\n", path.c_str(), "wrong", e.what_without_backtrace());
  }
  return false;
}

bool InspectOne(const fs::path& path) {
  return fs::is_directory(path) ? InspectModel(path) : InspectFile(path);
}

// A file, a model, or a folder of those.
bool InspectAny(const fs::path& path) {
  if (!fs::exists(path)) throw ModelError(path.string() + ": there is no such path");
  if (!fs::is_directory(path)) return InspectFile(path);
  const std::vector<std::string> models = ModelDirectory::ModelsIn(path.string());
  if (models.empty()) throw ModelError(path.string() + ": neither a model nor a folder of models");
  if (models.front() == fs::canonical(path)) return InspectModel(path);
  bool fine = true;
  for (const std::string& model : models) fine = Tried(model, InspectOne) && fine;
  return fine;
}

}  // namespace
}  // namespace mind::diffusion

int main(int argc, char** argv) {
  CLI::App app(
      "Says what a path holds, what of it a worker would load, and what is wrong with it. Exit status: 1 if "
      "anything is wrong, or a picture does not bear the watermark that is looked for.");
  mind::SetUpCommandLine(app);
  std::vector<std::string> paths;
  mind::AddTexts(app, "PATH", paths, "PATH",
                 "Folders of models, model directories, files of weights; with --watermark-key, pictures")
      ->required();
  std::string watermark_key;
  mind::AddText(app, "--watermark-key", watermark_key, "FILE",
                "The paths are pictures (PNG, JPEG, WebP): says whether they bear the watermark of a worker "
                "with this key");
  mind::ParseCommandLine(app, argc, argv);
  bool fine = true;
  if (!watermark_key.empty()) {
    const auto watermark = mind::inspect::ReadKey(watermark_key);
    if (!watermark) return 2;
    for (const std::string& path : paths) fine = mind::inspect::FindWatermark(*watermark, path) && fine;
    return fine ? 0 : 1;
  }
  const c10::InferenceMode inference;
  for (const std::string& path : paths)
    fine = mind::diffusion::Tried(path, mind::diffusion::InspectAny) && fine;
  return fine ? 0 : 1;
}
