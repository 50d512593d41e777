#include "worker/diffusion/pipelines/model_directory.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <set>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/cascade.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/pipelines/pipeline_kinds.h"
#include "worker/diffusion/pipelines/sampler_tables.h"
#include "worker/diffusion/pipelines/split_files.h"
#include "worker/diffusion/text/clip_bpe.h"
#include "worker/diffusion/weights/names/clip_names.h"
#include "worker/diffusion/weights/names/flux_names.h"
#include "worker/diffusion/weights/names/glide_clip_names.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"
#include "worker/diffusion/weights/names/mindspore_names.h"

namespace mind::diffusion {
namespace {

constexpr char kUNetFolder[] = "unet", kAutoencoder[] = "vae", kTextFolder[] = "text_encoder";

// Where a directory says what it is: diffusers' index, the report's DDPM, GLIDE's first stage, a cascade's
// list.
constexpr const char* kIndexFiles[] = {"/model_index.json", "/config.json", "/base/config.json",
                                       kCascadeFile};

constexpr char kVariant[] = "variant", kPrediction[] = "prediction_type";
constexpr char kControls[] = "controls", kPictureAdapters[] = "ip_adapters", kScorer[] = "scorer";
constexpr char kMindSporeFile[] = "model.ckpt";  // the weights of one of GLIDE's stages
constexpr char kMindSporeExtension[] = ".ckpt";

// What a single file says of how its network was trained, which schedulers' files often do not know of.
void ApplyMarkers(const NamedTensors& file, SamplerConfig& config) {
  if (file.Has("v_pred")) config.prediction = Prediction::kVelocity;
  if (file.Has("ztsnr")) config.zero_terminal_snr = true;
}

// By a file of its own, be it in the snapshot of a cache.
bool SaysWhatItIs(const std::string& path) {
  const std::string snapshot = SnapshotIn(path);
  const std::string& directory = snapshot.empty() ? path : snapshot;
  return std::any_of(std::begin(kIndexFiles), std::end(kIndexFiles),
                     [&directory](const char* file) { return IsFile(directory + file); });
}

// Of a component, from a folder of its own, under the names that our networks ask for.
NamedTensors UnderOurNames(NamedTensors stored) {
  if (IsOriginalFlux(stored)) return FromOriginalFlux(stored);
  return FromNewerTransformers(std::move(stored));
}

const PipelineKind& KindOf(const ModelDirectory& directory) {
  return KindOfPipeline(directory.pipeline_class(), directory.path());
}

}  // namespace

ModelDirectory::ModelDirectory(std::string path) : path_(std::move(path)) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  vae_folder_ = VaeFolderBeside(path_);
  if (IsFile(path_)) {
    file_ = path_;
    path_ = std::filesystem::path(path_).replace_extension().string();
  }
  name_ = std::filesystem::path(path_).filename().string();
  if (const std::string snapshot = SnapshotIn(path_); !snapshot.empty()) {
    path_ = snapshot;
    name_ = name_.substr(name_.rfind("--") + 2);
  }
  for (const char* const file : kIndexFiles) {
    if (!IsFile(path_ + file)) continue;
    if (!file_.empty())
      throw ModelError(file_ + ": " + path_ + " is a model of the same name; give one of them another");
    pipeline_class_ = Config::FromFile(path_ + file).String("_class_name", "");
    return;
  }
  const std::string whole = WholeFile();
  if (whole.empty())
    throw ModelError(path_ +
                     ": not a model: neither model_index.json, nor config.json, base/config.json or "
                     "cascade.json, nor one file of a whole model");
  single_ = std::make_shared<const SingleFile>(SingleFile::Read(whole, AutoencoderFile()));
  pipeline_class_ = single_->pipeline_class;
}

ModelDirectory::ModelDirectory(std::string path, const ModelDirectory& first)
    : ModelDirectory(std::move(path)) {
  const char* const text_of = KindOf(*this).text_of;
  if (text_of != nullptr && first.pipeline_class() == text_of) text_of_ = first.path();
}

bool ModelDirectory::LooksLikeOne(const std::string& path) {
  if (IsFile(path)) return MayBeWholeModel(path);
  if (SaysWhatItIs(path)) return true;
  for (const std::string& file : WholeModelsIn(path)) {
    try {
      if (SingleFile::IsOne(file)) return true;
    } catch (const ModelError&) {
      return true;  // whoever reads it says what is wrong with it
    }
  }
  return false;
}

std::vector<std::string> ModelDirectory::CandidatesIn(const std::string& folder) {
  namespace fs = std::filesystem;
  const bool one = IsFile(folder) ? MayBeWholeModel(folder) : SaysWhatItIs(folder);
  if (one) return {fs::canonical(folder).string()};
  std::set<std::string> paths;  // in name order, whatever the file system's
  std::error_code error;
  for (fs::directory_iterator entry(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    std::error_code ignored;
    const std::string path = entry->path().string();
    if (entry->path().filename() == kVaeFolder && !SaysWhatItIs(path)) continue;
    if (entry->is_directory(ignored) || (IsFile(path) && MayBeWholeModel(path))) paths.insert(path);
  }
  if (error) throw ModelError(folder + ": not a directory that can be read: " + error.message());
  return {paths.begin(), paths.end()};
}

std::vector<std::string> ModelDirectory::ModelsIn(const std::string& folder) {
  std::vector<std::string> paths = CandidatesIn(folder);
  std::erase_if(paths, [](const std::string& path) { return !LooksLikeOne(path); });
  return paths;
}

Config ModelDirectory::ComponentConfig(const std::string& component, const std::string& file) const {
  const std::string path = ComponentPath(component) + "/" + file;
  if (single_ == nullptr || IsFile(path)) return Config::FromFile(path);
  const auto told = single_->configs.find(component);
  if (told == single_->configs.end())
    throw ModelError(WholeFile() + ": no " + component +
                     " of a known kind in it; it may lie beside it, as diffusers has it: " + path);
  return Config(told->second, WholeFile() + " (" + component + ")");
}

Config ModelDirectory::Index() const {
  if (single_ == nullptr) return Config::FromFile(path_ + kIndexFiles[0]);
  return Config(single_->index, WholeFile());
}

std::unique_ptr<const Tokenizer> ModelDirectory::ComponentTokenizer(const std::string& component) const {
  if (!TakesPublishedTokenizer(component)) return MakeTokenizer(ComponentPath(component));
  return ClipBpeTokenizer::Published(single_->padding.at(component));
}

std::vector<std::string> ModelDirectory::PromptLanguages(const std::string& tokenizer) const {
  if (TakesPublishedTokenizer(tokenizer)) return {"en"};
  return LanguagesOf(ComponentPath(tokenizer));
}

bool ModelDirectory::TakesPublishedTokenizer(const std::string& component) const {
  const std::string folder = ComponentPath(component);
  if (single_ == nullptr || IsFile(folder + "/tokenizer_config.json")) return false;
  const std::string encoder = "text_encoder" + component.substr(std::string("tokenizer").size());
  const int64_t tokens = ComponentConfig(encoder).Int("vocab_size", ClipBpeTokenizer::kPublishedVocabulary);
  if (tokens < ClipBpeTokenizer::kPublishedVocabulary)
    throw UnsupportedError(
        WholeFile() + ": its " + encoder + " knows " + std::to_string(tokens) +
        " tokens, CLIP's own vocabulary has " + std::to_string(ClipBpeTokenizer::kPublishedVocabulary) +
        "; put its tokenizer (vocab.json, merges.txt, tokenizer_config.json) into " + folder);
  return true;
}

FileParameters ModelDirectory::ComponentWeights(const std::string& component,
                                                FileParameters::Options options) const {
  return FileParameters(ComponentTensors(component), options);
}

NamedTensors ModelDirectory::ComponentTensors(const std::string& component) const {
  if (const std::string file = component == kAutoencoder ? AutoencoderFile() : ""; !file.empty())
    return FromAutoencoder(ReadWeights(file));
  if (const std::string split = SplitFile(component); !split.empty())
    return UnderOurNames(FromSplitFile(ReadWeights(split)));
  const std::string folder = ComponentPath(component);
  const std::string whole = HasWeights(folder) ? "" : WholeFile();
  if (whole.empty()) return UnderOurNames(ReadComponent(folder, Defaults().String(kVariant, "")));
  if (!HasComponent(kUNetFolder))
    throw ModelError(folder + ": no weights, and " + whole + " is not its " + component);
  LatentDiffusionParts parts = FromLatentDiffusion(FromMindSpore(ReadWeights(whole)));
  if (const auto part = parts.find(component); part != parts.end()) return std::move(part->second);
  throw ModelError(folder + ": no weights, and " + whole + " holds no such part");
}

std::string ModelDirectory::WholeFile() const {
  if (!file_.empty()) return file_;
  const std::vector<std::string> found = WholeModelsIn(path_);
  if (found.size() > 1)
    throw ModelError(path_ + ": several files of weights (" + found[0] + ", " + found[1] +
                     "); keep one, or such as hold a component each");
  return found.empty() ? "" : found.front();
}

std::string ModelDirectory::SplitFile(const std::string& component) const {
  const std::string config = ComponentPath(component) + kConfigFile;
  if (component.empty() || single_ != nullptr || !IsFile(config) || HasWeights(ComponentPath(component)))
    return "";
  std::string split;
  for (const std::string& file : WholeModelsIn(path_)) {
    if (file.ends_with(kMindSporeExtension)) continue;  // whose header is all of it
    if (!HoldsComponent(ReadShapes(file), Config::FromFile(config))) continue;
    if (!split.empty())
      throw ModelError(path_ + ": several files may be its " + component + " (" + split + ", " + file +
                       "); keep one");
    split = file;
  }
  return split;
}

std::string ModelDirectory::AutoencoderFile() const {
  if (IsFile(path_ + kAutoencoderFile)) return path_ + kAutoencoderFile;
  const std::string inside = SaysWhatItIs(path_) || !file_.empty() ? "" : WholeFile();
  if (inside.empty()) return "";
  const std::string beside = std::filesystem::path(inside).replace_extension().string() + kAutoencoderFile;
  return IsFile(beside) ? beside : "";
}

Config ModelDirectory::Defaults() const {
  const std::string file = path_ + "/mind.json";
  return IsFile(file) ? Config::FromFile(file) : Config(nlohmann::json::object(), file);
}

SamplerConfig ModelDirectory::ReadSamplerConfig() const {
  SamplerConfig config = SamplerConfig::From(ComponentConfig("scheduler", "scheduler_config.json"));
  if (HasComponent(kUNetFolder) && !HasWeights(ComponentPath(kUNetFolder))) {
    const std::string whole = WholeFile();
    if (whole.ends_with(kSafeTensors)) ApplyMarkers(ReadShapes(whole), config);
  }
  if (const Config defaults = Defaults(); !defaults.Unset(kPrediction)) {
    const std::string said = defaults.String(kPrediction, "");
    if (said != "epsilon" && said != "v_prediction")
      defaults.Unsupported(kPrediction, "epsilon, v_prediction");
    config.prediction = said == "epsilon" ? Prediction::kEpsilon : Prediction::kVelocity;
  }
  const std::string tables = path_ + "/" + SamplerTables::kFileName;
  std::error_code ignored;
  if (std::filesystem::exists(tables, ignored)) SamplerTables::AddTo(config, tables);
  return config;
}

void ModelDirectory::ApplyDefaults(ModelInfo& info) const {
  const Config config = Defaults();
  if (config.empty()) return;
  info.default_steps = config.Int("default_steps", info.default_steps);
  info.default_guidance = config.Double("default_guidance", info.default_guidance);
  if (!config.Unset("languages")) info.languages = config.RequiredStrings("languages");
  if (info.default_steps < 1 || info.default_steps > info.train_steps) {
    config.Unsupported("default_steps", "1 to num_train_timesteps");
  }
  if (!(info.default_guidance >= 0 && info.default_guidance <= 100))
    config.Unsupported("default_guidance", "0 to 100");
}

std::string ModelDirectory::LoraFolder() const {
  return ComponentPath(kLoraFolder);
}

std::map<std::string, std::string> ModelDirectory::Loras() const {
  return SafeTensorsIn(LoraFolder());
}

std::vector<std::string> ModelDirectory::LoraNames() const {
  std::vector<std::string> names;
  for (const auto& [name, path] : Loras()) names.push_back(name);
  return names;
}

std::map<std::string, std::string> ModelDirectory::LearntWordFiles() const {
  return SafeTensorsIn(ComponentPath(kLearntWordFolder));
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
  return IsFile(ComponentPath(component) + kConfigFile) ||
         (single_ != nullptr && single_->configs.count(component) != 0);
}

bool ModelDirectory::IsCascade() const {
  return pipeline_class_ == kCascadeClass;
}

std::vector<std::string> ModelDirectory::OwnWeightFiles(const std::string& component) const {
  const std::string folder = ComponentPath(component), mindspore = folder + "/" + kMindSporeFile;
  if (const std::string file = component == kAutoencoder ? AutoencoderFile() : ""; !file.empty())
    return {file};
  if (!component.empty() && IsFile(mindspore)) return {mindspore};
  if (const std::string split = SplitFile(component); !split.empty()) return {split};
  if (!HasWeights(folder)) return {};
  return ComponentFiles(folder, Defaults().String(kVariant, ""));
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
  bool in_whole_file = false;
  for (const std::string& part : KindOf(*this).weights) {
    if (part == kTextFolder && !text_of_.empty()) continue;
    const std::vector<std::string> own = OwnWeightFiles(part);
    append(own);
    in_whole_file = in_whole_file || (own.empty() && HasComponent(part));
  }
  for (const auto& [name, folder] : Controls()) append(ComponentFiles(folder));
  if (HasComponent(kScorer)) {
    const std::vector<std::string> towers = GlideClipFiles(ComponentPath(kScorer));
    append(IsFile(towers.front()) ? towers : ComponentFiles(ComponentPath(kScorer)));
  }
  for (const auto& [name, file] : PictureAdapters()) files.push_back(file);
  if (!PictureAdapters().empty()) append(ComponentFiles(ComponentPath(kPictureEncoder)));
  const std::string whole = in_whole_file ? WholeFile() : "";
  if (!whole.empty()) files.push_back(whole);
  return files;
}

ModelInfo DescribeModel(const std::string& path) {
  return DescribeModel(ModelDirectory(path));
}

ModelInfo DescribeModel(const ModelDirectory& directory) {
  ModelInfo info = KindOf(directory).describe(directory);
  if (info.loras.empty() && !directory.Loras().empty())
    throw UnsupportedError(directory.LoraFolder() + ": a " + info.pipeline + " takes no LoRAs");
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
  const PipelineKind& kind = KindOf(directory);
  if (first != nullptr && !directory.text_of().empty()) return kind.load_beside(directory, options, *first);
  return kind.load(directory, options);
}

}  // namespace mind::diffusion
