#include "worker/diffusion/pipelines/model_directory.h"

#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <iterator>
#include <set>
#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/hash.h"
#include "worker/diffusion/pipelines/cascade.h"
#include "worker/diffusion/pipelines/class_to_image.h"
#include "worker/diffusion/pipelines/deepfloyd.h"
#include "worker/diffusion/pipelines/file_hash.h"
#include "worker/diffusion/pipelines/glide.h"
#include "worker/diffusion/pipelines/kandinsky.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/pipelines/pixel_diffusion.h"
#include "worker/diffusion/pipelines/sampler_tables.h"
#include "worker/diffusion/pipelines/stable_diffusion_xl.h"
#include "worker/diffusion/pipelines/stable_unclip.h"
#include "worker/diffusion/pipelines/text_to_image.h"
#include "worker/diffusion/pipelines/unclip.h"
#include "worker/diffusion/pipelines/upscale.h"
#include "worker/diffusion/weights/names/clip_names.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"
#include "worker/diffusion/weights/names/mindspore_names.h"

namespace mind::diffusion {
namespace {

struct Kind {
  const char* pipeline_class;
  ModelInfo (*describe)(const ModelDirectory&);
  std::unique_ptr<const Pipeline> (*load)(const ModelDirectory&, FileParameters::Options);
  // The folders, from the model's own, that it loads weights from, as far as they are there.
  std::vector<std::string> weights;
  // As the second stage of a cascade whose first is of this class: with that one's text encoder.
  const char* text_of = nullptr;
  std::unique_ptr<const Pipeline> (*load_beside)(const ModelDirectory&, FileParameters::Options,
                                                 const Pipeline& first) = nullptr;
};

const std::vector<std::string> kTextParts = {"text_encoder", "unet", "vae", "taesd"};
const std::vector<std::string> kXlParts = {"text_encoder", "text_encoder_2", "unet", "vae", "taesd"};
const std::vector<std::string> kUnclipParts = {"prior",   "image_encoder",   "text_encoder",  "text_proj",
                                               "decoder", "super_res_first", "super_res_last"};
const std::vector<std::string> kStableUnclipParts = {
    "prior", "prior_text_encoder", "image_encoder", "image_normalizer", "text_encoder", "unet", "vae",
    "taesd"};
const std::vector<std::string> kKandinskyParts = {"prior_prior",
                                                  "prior_text_encoder",
                                                  "prior_image_encoder",
                                                  "prior/prior",
                                                  "prior/text_encoder",
                                                  "prior/image_encoder",
                                                  "unet",
                                                  "movq"};
const std::vector<std::string> kFloydParts = {"text_encoder", "unet"};
const std::vector<std::string> kClassParts = {"transformer", "vae", "taesd"};
const std::vector<std::string> kPixelParts = {"unet"};
const std::vector<std::string> kReportParts = {""};
const std::vector<std::string> kGlideParts = {"base", "upsampler", "gan"};

constexpr char kUNetFolder[] = "unet";
constexpr char kFloydFirst[] = "IFPipeline", kTextFolder[] = "text_encoder";
constexpr char kCascadeClass[] = "Cascade", kCascadeFile[] = "/cascade.json";

const Kind kKinds[] = {
    {"StableDiffusionPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load, kTextParts},
    {"StableDiffusionInpaintPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load, kTextParts},
    {"StableDiffusionDepth2ImgPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load,
     kTextParts},
    {"StableDiffusionUpscalePipeline", UpscalePipeline::Describe, UpscalePipeline::Load, kTextParts},
    {"StableDiffusionXLPipeline", StableDiffusionXlPipeline::Describe, StableDiffusionXlPipeline::Load,
     kXlParts},
    {"StableDiffusionXLImg2ImgPipeline", StableDiffusionXlPipeline::Describe, StableDiffusionXlPipeline::Load,
     kXlParts},
    {"StableDiffusionXLInpaintPipeline", StableDiffusionXlPipeline::Describe, StableDiffusionXlPipeline::Load,
     kXlParts},
    {"StableDiffusionInstructPix2PixPipeline", TextToImagePipeline::Describe, TextToImagePipeline::Load,
     kTextParts},
    {"StableDiffusionXLInstructPix2PixPipeline", StableDiffusionXlPipeline::Describe,
     StableDiffusionXlPipeline::Load, kXlParts},
    {"UnCLIPPipeline", UnclipDecoder::Describe, UnclipDecoder::Load, kUnclipParts},
    {"UnCLIPImageVariationPipeline", UnclipDecoder::Describe, UnclipDecoder::Load, kUnclipParts},
    {"StableUnCLIPPipeline", StableUnclipPipeline::Describe, StableUnclipPipeline::Load, kStableUnclipParts},
    {"StableUnCLIPImg2ImgPipeline", StableUnclipPipeline::Describe, StableUnclipPipeline::Load,
     kStableUnclipParts},
    {"KandinskyV22Pipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load, kKandinskyParts},
    {"KandinskyV22Img2ImgPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load, kKandinskyParts},
    {"KandinskyV22InpaintPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load, kKandinskyParts},
    {"KandinskyV22CombinedPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load, kKandinskyParts},
    {"KandinskyV22Img2ImgCombinedPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load,
     kKandinskyParts},
    {"KandinskyV22InpaintCombinedPipeline", KandinskyDecoder::Describe, KandinskyDecoder::Load,
     kKandinskyParts},
    {kFloydFirst, FloydPipeline::Describe, FloydPipeline::Load, kFloydParts},
    {"IFSuperResolutionPipeline", FloydEnlarger::Describe, FloydEnlarger::Load, kFloydParts, kFloydFirst,
     FloydEnlarger::LoadBeside},
    {"DiTPipeline", ClassToImagePipeline::Describe, ClassToImagePipeline::Load, kClassParts},
    {"DDPMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load, kPixelParts},
    {"DDIMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load, kPixelParts},
    {"PNDMPipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load, kPixelParts},
    {"ScoreSdeVePipeline", PixelDiffusionPipeline::Describe, PixelDiffusionPipeline::Load, kPixelParts},
    // Not diffusers': the report's DDPM by its config.json, GLIDE by that of its first stage.
    {"AbarankabDDPM", PixelDiffusionPipeline::DescribeReport, PixelDiffusionPipeline::LoadReport,
     kReportParts},
    {"GlideText2ImUNet", GlidePipeline::Describe, GlidePipeline::Load, kGlideParts},
    {kCascadeClass, CascadePipeline::Describe, CascadePipeline::Load, {}},
};

// Where a directory says what it is: diffusers' index, the report's DDPM, GLIDE's first stage, a cascade's
// list.
constexpr const char* kIndexFiles[] = {"/model_index.json", "/config.json", "/base/config.json",
                                       kCascadeFile};

constexpr char kDefaultsFile[] = "/mind.json", kPrecisionKey[] = "precision";
// Where what may be computed in float32 whatever the rest is (device/precision.h) lies: in folders, and in
// single files.
const std::set<std::string> kInFloat32 = {"vae", "movq", "gan", "scorer"};
constexpr char kAutoencoderPrefix[] = "first_stage_model.";
constexpr char kLoras[] = "loras", kLearntWords[] = "embeddings", kControls[] = "controls",
               kPictureAdapters[] = "ip_adapters", kScorer[] = "scorer";
constexpr char kConfigFile[] = "/config.json";
// Where a prior is a directory of its own, with folders for its parts.
constexpr char kPriorFolder[] = "prior", kWholePrior[] = "prior/prior";
constexpr char kMindSporeFile[] = "model.ckpt";  // the weights of one of GLIDE's stages

// What a single file says of how its network was trained, which schedulers' files often do not know of.
void ApplyMarkers(const NamedTensors& file, SamplerConfig& config) {
  if (file.Has("v_pred")) config.prediction = Prediction::kVelocity;
  if (file.Has("ztsnr")) config.zero_terminal_snr = true;
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
  name_ = std::filesystem::path(path_).filename().string();
  if (const std::string snapshot = SnapshotIn(path_); !snapshot.empty()) {
    path_ = snapshot;
    name_ = name_.substr(name_.rfind("--") + 2);
  }
  for (const char* const file : kIndexFiles) {
    if (!IsFile(path_ + file)) continue;
    pipeline_class_ = Config::FromFile(path_ + file).String("_class_name", "");
    return;
  }
  throw ModelError(path_ +
                   ": not a model: neither model_index.json, nor config.json, base/config.json or "
                   "cascade.json");
}

ModelDirectory::ModelDirectory(std::string path, const ModelDirectory& first)
    : ModelDirectory(std::move(path)) {
  const char* const text_of = KindOf(*this).text_of;
  if (text_of != nullptr && first.pipeline_class() == text_of) text_of_ = first.path();
}

bool ModelDirectory::LooksLikeOne(const std::string& path) {
  const std::string snapshot = SnapshotIn(path);
  const std::string& directory = snapshot.empty() ? path : snapshot;
  return std::any_of(std::begin(kIndexFiles), std::end(kIndexFiles),
                     [&directory](const char* file) { return IsFile(directory + file); });
}

Config ModelDirectory::ComponentConfig(const std::string& component, const std::string& file) const {
  return Config::FromFile(ComponentPath(component) + "/" + file);
}

FileParameters ModelDirectory::ComponentWeights(const std::string& component,
                                                FileParameters::Options options) const {
  const std::string folder = ComponentPath(component);
  const std::string single = HasWeights(folder) ? "" : SingleFile();
  if (single.empty()) return FileParameters(FromNewerTransformers(ReadComponent(folder, Variant())), options);
  const int64_t layers = UNetConfig::From(ComponentConfig("unet")).layers_per_block;
  LatentDiffusionParts parts = FromLatentDiffusion(FromMindSpore(ReadWeights(single)), layers);
  if (const auto part = parts.find(component); part != parts.end())
    return FileParameters(std::move(part->second), options);
  throw ModelError(folder + ": no weights, and " + single + " holds no such part");
}

std::string ModelDirectory::SingleFile() const {
  std::vector<std::string> found;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(path_, error)) {
    const std::string extension = entry.path().extension().string();
    if ((extension == kSafeTensors || extension == ".ckpt" || extension == ".gguf") &&
        IsFile(entry.path().string()))
      found.push_back(entry.path().string());
  }
  if (found.size() > 1) {
    std::sort(found.begin(), found.end());
    throw ModelError(path_ + ": several files of weights (" + found[0] + ", " + found[1] + "); keep one");
  }
  return found.empty() ? "" : found.front();
}

std::string ModelDirectory::Variant() const {
  const std::string file = path_ + kDefaultsFile;
  return IsFile(file) ? Config::FromFile(file).String("variant", "") : "";
}

SamplerConfig ModelDirectory::ReadSamplerConfig() const {
  SamplerConfig config = SamplerConfig::From(ComponentConfig("scheduler", "scheduler_config.json"));
  if (HasComponent(kUNetFolder) && !HasWeights(ComponentPath(kUNetFolder))) {
    const std::string single = SingleFile();
    if (single.ends_with(kSafeTensors)) ApplyMarkers(ReadShapes(single), config);
  }
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

std::map<std::string, std::string> ModelDirectory::Loras() const {
  return SafeTensorsIn(ComponentPath(kLoras));
}

std::map<std::string, std::string> ModelDirectory::LearntWordFiles() const {
  return SafeTensorsIn(ComponentPath(kLearntWords));
}

std::map<std::string, std::string> ModelDirectory::Controls() const {
  std::map<std::string, std::string> folders;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(ComponentPath(kControls), error)) {
    if (IsFile(entry.path().string() + kConfigFile))
      folders[entry.path().filename().string()] = entry.path().string();
  }
  return folders;
}

std::map<std::string, std::string> ModelDirectory::PictureAdapters() const {
  return SafeTensorsIn(ComponentPath(kPictureAdapters));
}

bool ModelDirectory::HasComponent(const std::string& component) const {
  return IsFile(ComponentPath(component) + "/config.json");
}

bool ModelDirectory::IsCascade() const {
  return pipeline_class_ == kCascadeClass;
}

std::vector<std::string> ModelDirectory::WeightFiles() const {
  std::vector<std::string> files;
  const auto append = [&files](const std::vector<std::string>& more) {
    files.insert(files.end(), more.begin(), more.end());
  };
  if (IsCascade()) {
    for (const ModelDirectory& stage : Stages()) append(stage.WeightFiles());
    return files;
  }
  bool in_single_file = false;
  for (const std::string& part : KindOf(*this).weights) {
    if (part == kTextFolder && !text_of_.empty()) continue;
    const std::string folder = ComponentPath(part);
    if (!part.empty() && IsFile(folder + "/" + kMindSporeFile)) {
      files.push_back(folder + "/" + kMindSporeFile);
    } else if (HasWeights(folder)) {
      append(ComponentFiles(folder, Variant()));
    } else {
      in_single_file = in_single_file || IsFile(folder + "/config.json");
    }
  }
  for (const auto& [name, folder] : Controls()) append(ComponentFiles(folder));
  if (HasComponent(kScorer)) append(ComponentFiles(ComponentPath(kScorer)));
  for (const auto& [name, file] : PictureAdapters()) files.push_back(file);
  if (!PictureAdapters().empty()) append(ComponentFiles(ComponentPath(kPictureEncoder)));
  const std::string single = in_single_file ? SingleFile() : "";
  if (!single.empty()) files.push_back(single);
  return files;
}

Precision ModelDirectory::PrecisionFor(Precision given) const {
  const std::string file = path_ + kDefaultsFile;
  if (!IsFile(file)) return given;
  const Config config = Config::FromFile(file);
  if (config.Unset(kPrecisionKey)) return given;
  if (config.String(kPrecisionKey, "") != NameOf(Precision::kFloat32))
    config.Unsupported(kPrecisionKey, NameOf(Precision::kFloat32));
  return Precision::kFloat32;
}

std::map<uint64_t, int64_t> ModelDirectory::WeightBytesByContent(Precision given) const {
  const Precision precision = PrecisionFor(given);
  std::map<uint64_t, int64_t> contents;
  if (IsCascade()) {
    for (const ModelDirectory& stage : Stages()) contents.merge(stage.WeightBytesByContent(precision));
    return contents;
  }
  const at::ScalarType type = TypeOf(precision);
  for (const std::string& file : WeightFiles()) {
    const bool whole = kInFloat32.count(std::filesystem::path(file).parent_path().filename().string()) != 0;
    int64_t bytes = 0;
    for (const auto& [name, tensor] : ReadShapes(file).tensors) {
      if (!tensor.is_floating_point()) continue;
      const bool float32 = whole || name.starts_with(kAutoencoderPrefix);
      bytes += tensor.numel() * static_cast<int64_t>(c10::elementSize(float32 ? at::kFloat : type));
    }
    contents[HashOfFile(file, HashOf(c10::toString(whole ? at::kFloat : type)))] = bytes;
  }
  return contents;
}

int64_t ModelDirectory::WeightBytes(Precision given) const {
  int64_t all = 0;
  for (const auto& [content, bytes] : WeightBytesByContent(given)) all += bytes;
  return all;
}

std::string ModelDirectory::Revision(Precision given) const {
  const Precision precision = PrecisionFor(given);
  // TF32 keeps its weights in float32 and makes other pictures all the same.
  uint64_t hash = HashOf(c10::toString(TypeOf(precision)));
  if (precision == Precision::kTf32) hash = HashOf(NameOf(precision), hash);
  const auto add = [&hash](const std::vector<std::string>& files) {
    for (const std::string& file : files) hash = HashOfFile(file, hash);
  };
  if (IsCascade()) {
    add({path_ + kCascadeFile});
    for (const ModelDirectory& stage : Stages()) hash = HashOf(stage.Revision(precision), hash);
  } else {
    add(SmallFiles(path_));
    for (const auto& [name, folder] : Controls()) add({folder + kConfigFile});
    if (!PictureAdapters().empty()) add(SmallFiles(ComponentPath(kPictureEncoder)));
    if (HasComponent(kWholePrior)) add(SmallFiles(ComponentPath(kPriorFolder)));
    add(WeightFiles());
  }
  std::ostringstream text;
  text << std::hex << std::setw(16) << std::setfill('0') << hash;
  return text.str();
}

ModelInfo DescribeModel(const std::string& path) {
  return DescribeModel(ModelDirectory(path));
}

ModelInfo DescribeModel(const ModelDirectory& directory) {
  ModelInfo info = KindOf(directory).describe(directory);
  if (info.loras.empty() && !directory.Loras().empty())
    throw UnsupportedError(directory.ComponentPath(kLoras) + ": a " + info.pipeline + " takes no LoRAs");
  if (info.controls.empty() && !directory.Controls().empty())
    throw UnsupportedError(directory.ComponentPath(kControls) + ": a " + info.pipeline +
                           " takes no controls");
  if (info.picture_adapters.empty() && !directory.PictureAdapters().empty())
    throw UnsupportedError(directory.ComponentPath(kPictureAdapters) + ": a " + info.pipeline +
                           " takes no pictures as prompts");
  if (info.scorer.kind == ScorerKind::kNone && directory.HasComponent(kScorer))
    throw UnsupportedError(directory.ComponentPath(kScorer) + ": a " + info.pipeline + " takes no scorer");
  directory.ApplyDefaults(info);
  return info;
}

std::unique_ptr<const Pipeline> LoadPipeline(const std::string& path, FileParameters::Options options) {
  return LoadStage(ModelDirectory(path), options, nullptr);
}

std::unique_ptr<const Pipeline> LoadStage(const ModelDirectory& directory, FileParameters::Options options,
                                          const Pipeline* first) {
  options.precision = directory.PrecisionFor(options.precision);
  const Kind& kind = KindOf(directory);
  if (first != nullptr && !directory.text_of().empty()) return kind.load_beside(directory, options, *first);
  return kind.load(directory, options);
}

}  // namespace mind::diffusion
