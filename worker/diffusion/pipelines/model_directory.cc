#include "worker/diffusion/pipelines/model_directory.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/class_to_image.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/pipelines/pixel_diffusion.h"
#include "worker/diffusion/pipelines/sampler_tables.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/pipelines/upscale.h"

namespace mind::diffusion {
namespace {

struct Kind {
  const char* pipeline_class;
  ModelInfo (*describe)(const ModelDirectory&);
  std::unique_ptr<const Pipeline> (*load)(const ModelDirectory&, FileParameters::Options);
};

constexpr Kind kKinds[] = {
    {"StableDiffusionPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load},
    {"StableDiffusionInpaintPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load},
    {"StableDiffusionDepth2ImgPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load},
    {"StableDiffusionUpscalePipeline", UpscalePipeline::Describe, UpscalePipeline::Load},
    {"DiTPipeline", ClassToImagePipeline::Describe, ClassToImagePipeline::Load},
    {"DDPMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load},
    {"DDIMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load},
    {"PNDMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load},
    {"ScoreSdeVePipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load},
    // Not diffusers': the report's DDPM by its config.json, GLIDE by that of its first stage.
    {"AbarankabDDPM", PixelDiffusionPipeline::DescribeReport, PixelDiffusionPipeline::LoadReport},
    {"GlideText2ImUNet", GlidePipeline::Describe, GlidePipeline::Load},
};

// Where a directory says what it is: diffusers' index, the report's DDPM, GLIDE's first stage.
constexpr const char* kIndexFiles[] = {"/model_index.json", "/config.json", "/base/config.json"};

constexpr char kDefaultsFile[] = "/mind.json";

bool IsFile(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

const Kind& KindOf(const ModelDirectory& directory) {
  std::string known;
  for (const Kind& kind : kKinds) {
    if (directory.pipeline_class() == kind.pipeline_class) return kind;
    known += std::string(known.empty() ? "" : ", ") + kind.pipeline_class;
  }
  throw UnsupportedError(directory.path() + ": the pipeline \"" + directory.pipeline_class() +
                         "\" is not supported; supported: " + known);
}

}  // namespace

ModelDirectory::ModelDirectory(std::string path) : path_(std::move(path)) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  for (const char* const file : kIndexFiles) {
    if (!IsFile(path_ + file)) continue;
    pipeline_class_ = Config::FromFile(path_ + file).String("_class_name", "");
    return;
  }
  throw ModelError(path_ + ": not a model: neither model_index.json, nor config.json, nor base/config.json");
}

bool ModelDirectory::LooksLikeOne(const std::string& path) {
  return std::any_of(std::begin(kIndexFiles), std::end(kIndexFiles),
                     [&path](const char* file) { return IsFile(path + file); });
}

std::string ModelDirectory::name() const {
  return std::filesystem::path(path_).filename().string();
}

Config ModelDirectory::ComponentConfig(const std::string& component, const std::string& file) const {
  return Config::FromFile(ComponentPath(component) + "/" + file);
}

FileParameters ModelDirectory::ComponentWeights(const std::string& component,
                                                FileParameters::Options options) const {
  return FileParameters(ReadComponent(ComponentPath(component), Variant()), options);
}

std::string ModelDirectory::Variant() const {
  const std::string file = path_ + kDefaultsFile;
  return IsFile(file) ? Config::FromFile(file).String("variant", "") : "";
}

SamplerConfig ModelDirectory::ReadSamplerConfig() const {
  SamplerConfig config = SamplerConfig::From(ComponentConfig("scheduler", "scheduler_config.json"));
  const std::string tables = path_ + "/" + SamplerTables::kFileName;
  std::error_code ignored;
  if (std::filesystem::exists(tables, ignored)) SamplerTables::AddTo(config, tables);
  return config;
}

void ModelDirectory::ApplyDefaults(ModelInfo& info) const {
  const std::string file = path_ + kDefaultsFile;
  if (!IsFile(file)) return;
  const Config config = Config::FromFile(file);
  info.default_steps = config.Int("default_steps", info.default_steps);
  info.default_guidance = config.Double("default_guidance", info.default_guidance);
  if (!config.Unset("languages")) info.languages = config.RequiredStrings("languages");
  if (info.default_steps < 1 || info.default_steps > info.train_steps) {
    config.Unsupported("default_steps", "1 to num_train_timesteps");
  }
  if (!(info.default_guidance >= 0 && info.default_guidance <= 100))
    config.Unsupported("default_guidance", "0 to 100");
}

ModelInfo DescribeModel(const std::string& path) {
  const ModelDirectory directory(path);
  ModelInfo info = KindOf(directory).describe(directory);
  directory.ApplyDefaults(info);
  return info;
}

std::unique_ptr<const Pipeline> LoadPipeline(const std::string& path, FileParameters::Options options) {
  const ModelDirectory directory(path);
  return KindOf(directory).load(directory, options);
}

}  // namespace mind::diffusion
