// What tells one copy of a model's files from another, and how much of memory they take.
#include <algorithm>
#include <filesystem>
#include <iomanip>
#include <set>
#include <sstream>
#include <utility>

#include "worker/diffusion/error.h"
#include "worker/diffusion/hash.h"
#include "worker/diffusion/pipelines/file_hash.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/pipelines/pipeline_kinds.h"

namespace mind::diffusion {
namespace {

constexpr char kPrecisionKey[] = "precision";
// Where what may be computed in float32 whatever the rest is (device/precision.h) lies: in folders, and in
// single files.
const std::set<std::string> kInFloat32 = {"vae", "movq", "gan", "scorer"};
constexpr char kAutoencoderPrefix[] = "first_stage_model.";
// Where a prior is a directory of its own, with folders for its parts.
constexpr char kPriorFolder[] = "prior", kWholePrior[] = "prior/prior";

constexpr char kTextPart[] = "text_encoder", kAutoencoderPart[] = "vae";

// What a file's weights are, and their bytes where a worker keeps them in this type. `autoencoder`: a file
// that is one, wherever it lies.
std::pair<uint64_t, int64_t> ContentOf(const std::string& file, at::ScalarType type,
                                       const std::string& autoencoder = "") {
  const bool whole = file.ends_with(kAutoencoderFile) || file == autoencoder ||
                     kInFloat32.count(std::filesystem::path(file).parent_path().filename().string()) != 0;
  int64_t bytes = 0;
  for (const auto& [name, tensor] : ReadShapes(file).tensors) {
    if (!tensor.is_floating_point() && tensor.scalar_type() != at::kChar) continue;
    const bool float32 = whole || name.starts_with(kAutoencoderPrefix);
    bytes += tensor.numel() * static_cast<int64_t>(c10::elementSize(float32 ? at::kFloat : type));
  }
  return {HashOfFile(file, HashOf(c10::toString(whole ? at::kFloat : type))), bytes};
}

}  // namespace

Precision ModelDirectory::PrecisionFor(Precision given) const {
  const Config config = Defaults();
  if (config.Unset(kPrecisionKey)) return given;
  if (config.String(kPrecisionKey, "") != NameOf(Precision::kFloat32))
    config.Unsupported(kPrecisionKey, NameOf(Precision::kFloat32));
  return Precision::kFloat32;
}

WeightContents ModelDirectory::WeightBytesByContent(Precision given) const {
  const Precision precision = PrecisionFor(given);
  WeightContents contents;
  if (IsCascade()) {
    for (const ModelDirectory& stage : Stages()) contents.merge(stage.WeightBytesByContent(precision));
    return contents;
  }
  const std::string autoencoder = SplitFile(kAutoencoderPart);
  for (const std::string& file : WeightFiles())
    contents.insert(ContentOf(file, TypeOf(precision), autoencoder));
  return contents;
}

std::map<std::string, WeightContents> ModelDirectory::DroppableParts(Precision given) const {
  const Precision precision = PrecisionFor(given);
  std::map<std::string, WeightContents> parts;
  if (IsCascade()) {
    for (const ModelDirectory& stage : Stages()) {
      for (auto& [component, contents] : stage.DroppableParts(precision))
        parts[stage.name() + "/" + component] = std::move(contents);
    }
    return parts;
  }
  for (const std::string& component : KindOfPipeline(pipeline_class_, path_).droppable) {
    if (WeightContents contents = PartContents(component, precision); !contents.empty())
      parts[component] = std::move(contents);
  }
  return parts;
}

WeightContents ModelDirectory::PartContents(const std::string& component, Precision given) const {
  const std::vector<std::string>& droppable = KindOfPipeline(pipeline_class_, path_).droppable;
  const bool elsewhere = component == kTextPart && !text_of_.empty();
  if (elsewhere || std::find(droppable.begin(), droppable.end(), component) == droppable.end()) return {};
  WeightContents contents;
  for (const std::string& file : OwnWeightFiles(component))
    contents.insert(ContentOf(file, TypeOf(PrecisionFor(given))));
  return contents;
}

WeightContents ModelDirectory::VaeContents(const std::string& path) {
  return {ContentOf(path, at::kFloat)};
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
    if (single_ != nullptr)
      hash = HashOf(nlohmann::json{single_->index, single_->configs, single_->padding}.dump(), hash);
    for (const auto& [name, folder] : Controls()) add({folder + kConfigFile});
    if (!PictureAdapters().empty()) add(SmallFiles(ComponentPath(kPictureEncoder)));
    if (HasComponent(kWholePrior)) add(SmallFiles(ComponentPath(kPriorFolder)));
    add(WeightFiles());
  }
  std::ostringstream text;
  text << std::hex << std::setw(16) << std::setfill('0') << hash;
  return text.str();
}

}  // namespace mind::diffusion
