#include "worker/diffusion/weights/named_tensors.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "worker/diffusion/error.h"
#include "worker/diffusion/weights/gguf.h"
#include "worker/diffusion/weights/gguf_header.h"
#include "worker/diffusion/weights/json_file.h"
#include "worker/diffusion/weights/mapped_file.h"
#include "worker/diffusion/weights/mindspore.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/diffusion/weights/safetensors_header.h"
#include "worker/diffusion/weights/scaled_weights.h"

namespace mind::diffusion {
namespace {

namespace fs = std::filesystem;

constexpr const char* kStems[] = {"diffusion_pytorch_model", "model"};
constexpr std::string_view kExtension = ".safetensors";
constexpr std::string_view kIndex = ".safetensors.index";

bool IsRegularFile(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string FirstBytes(const std::string& path) {
  std::array<char, 16> bytes{};
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), bytes.size());
  return {bytes.data(), static_cast<size_t>(file.gcount())};
}

// PyTorch's files are zip archives of pickles, or in old versions pickles themselves.
bool LooksLikePickle(const std::string& first) {
  return first.rfind("PK\x03\x04", 0) == 0 || (first.size() > 1 && first[0] == '\x80' && first[1] <= 5);
}

// In a safetensors file the JSON follows the eight bytes of its length.
bool LooksLikeSafeTensors(const std::string& first) {
  return first.size() > 8 && first[8] == '{';
}

enum class WeightFormat { kSafeTensors, kGguf, kMindSpore };

// Throws UnsupportedError of a pickle.
WeightFormat FormatOf(const std::string& path) {
  const std::string first = FirstBytes(path);
  // The length of a header may begin as a pickle does.
  if (LooksLikePickle(first) && !LooksLikeSafeTensors(first)) {
    throw UnsupportedError(path +
                           ": a PyTorch pickle. Pickles can run any code and are never opened here; convert "
                           "the file to safetensors (docs/models.md says how)");
  }
  // An empty or missing file is told by whoever opens it.
  if (first.empty() || LooksLikeSafeTensors(first)) return WeightFormat::kSafeTensors;
  if (LooksLikeGguf(first)) return WeightFormat::kGguf;
  const bool named_so = fs::path(path).extension() == kExtension;
  return named_so ? WeightFormat::kSafeTensors : WeightFormat::kMindSpore;
}

// Scales by themselves.
NamedTensors StoredIn(const std::string& path) {
  const SafeTensors file = SafeTensors::Open(path);
  return {path, file.tensors(), file.metadata()};
}

NamedTensors FromSafeTensors(const std::string& path) {
  return WithScales(StoredIn(path));
}

NamedTensors ShapesOfSafeTensors(const std::string& path) {
  const MappedFile file(path);
  SafeTensorsHeader header = ParseSafeTensorsHeader(file.bytes(), path);
  NamedTensors shapes{path, {}, std::move(header.metadata)};
  for (const SafeTensorsEntry& entry : header.entries) {
    const at::ScalarType type = entry.float8 == Float8::kNone ? entry.dtype : at::kBFloat16;
    shapes.tensors.emplace(entry.name, WithoutNumbers(entry.shape, type));
  }
  return shapes;
}

// What an index says: which file beside it holds which tensor.
std::map<std::string, std::string> ShardsByTensor(const fs::path& index) {
  const Config config = Config::FromFile(index.string());
  const nlohmann::json& map = config.at("weight_map");
  if (!map.is_object()) config.Unsupported("weight_map", "an object of file names by tensor");
  std::map<std::string, std::string> shards;
  for (const auto& [name, file] : map.items()) {
    // A file beside the index, not a path to anywhere.
    if (!file.is_string() || fs::path(file.get<std::string>()).filename() != file.get<std::string>()) {
      config.Unsupported("weight_map", "names of files beside the index");
    }
    shards[name] = file.get<std::string>();
  }
  return shards;
}

// The files of a component whose weights are in shards; every shard must hold what the index says. A scale
// may lie in another one than its weight.
NamedTensors ReadShards(const fs::path& index) {
  NamedTensors all{index.string(), {}};
  std::map<std::string, NamedTensors> shards;
  for (const auto& [name, shard] : ShardsByTensor(index)) {
    const auto found = shards.find(shard);
    const NamedTensors& tensors =
        found != shards.end()
            ? found->second
            : shards.emplace(shard, StoredIn((index.parent_path() / shard).string())).first->second;
    if (!tensors.Has(name)) {
      throw ModelError(index.string() + ": \"" + name + "\" should be in " + shard + ", but is not");
    }
    all.tensors[name] = tensors.tensors.at(name);
  }
  return WithScales(std::move(all));
}

// Variants of which the folder has weights: "" is the plain one.
std::map<std::string, fs::path> VariantsIn(const fs::path& folder) {
  std::map<std::string, fs::path> variants;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    for (const std::string stem : kStems) {
      if (name.rfind(stem, 0) != 0 || !IsRegularFile(entry.path())) continue;
      std::string rest = name.substr(stem.size());
      // "<stem>.safetensors.index.fp16.json" and "<stem>.fp16.safetensors.index.json" are both in use.
      constexpr std::string_view kJson = ".json";
      const bool index = rest.find(kIndex) != std::string::npos && rest.size() > kJson.size() &&
                         rest.substr(rest.size() - kJson.size()) == kJson;
      if (index) {
        rest.resize(rest.size() - kJson.size());
        rest.erase(rest.find(kIndex), kIndex.size());
      } else if (rest.size() >= kExtension.size() &&
                 rest.compare(rest.size() - kExtension.size(), std::string::npos, kExtension) == 0) {
        rest.resize(rest.size() - kExtension.size());
        if (rest.find("-of-") != std::string::npos) continue;  // a shard: its index counts
      } else {
        continue;
      }
      if (!rest.empty() && rest[0] != '.') continue;
      const std::string variant = rest.empty() ? "" : rest.substr(1);
      if (index || variants.count(variant) == 0) variants[variant] = entry.path();
    }
  }
  return variants;
}

// The file of weights, or the index of shards, that a folder's weights are read from.
fs::path ChosenFile(const std::string& folder, const std::string& variant) {
  const std::map<std::string, fs::path> variants = VariantsIn(folder);
  std::string known;
  for (const auto& [name, path] : variants) known += (known.empty() ? "" : ", ") + path.filename().string();
  if (const auto found = variants.find(variant); found != variants.end()) return found->second;
  if (!variant.empty()) {
    throw ModelError(folder + ": no weights of the variant \"" + variant +
                     "\"; there are: " + (known.empty() ? "none" : known));
  }
  if (variants.size() == 1) return variants.begin()->second;
  if (variants.empty()) {
    throw ModelError(folder +
                     ": no weights; looked for diffusion_pytorch_model.safetensors and "
                     "model.safetensors, their shards and variants");
  }
  throw ModelError(folder + ": several variants of weights (" + known +
                   ") and no plain one; say which in mind.json: {\"variant\": \"fp16\"}");
}

}  // namespace

std::string ShapeText(at::IntArrayRef shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}

bool NamedTensors::HasPrefix(const std::string& prefix) const {
  const auto first = tensors.lower_bound(prefix);
  return first != tensors.end() && first->first.rfind(prefix, 0) == 0;
}

NamedTensors NamedTensors::Under(const std::string& prefix) const {
  NamedTensors part{source, {}};
  for (auto it = tensors.lower_bound(prefix); it != tensors.end() && it->first.rfind(prefix, 0) == 0; ++it) {
    part.tensors[it->first.substr(prefix.size())] = it->second;
  }
  return part;
}

NamedTensors ReadWeights(const std::string& path) {
  switch (FormatOf(path)) {
    case WeightFormat::kSafeTensors:
      return FromSafeTensors(path);
    case WeightFormat::kGguf:
      return ReadGguf(path);
    case WeightFormat::kMindSpore:
      break;
  }
  return ReadMindSpore(path);
}

at::Tensor WithoutNumbers(at::IntArrayRef shape, at::ScalarType type) {
  return at::empty(shape, at::TensorOptions().dtype(type).device(at::kMeta));
}

NamedTensors ReadShapes(const std::string& path) {
  switch (FormatOf(path)) {
    case WeightFormat::kSafeTensors:
      return ShapesOfSafeTensors(path);
    case WeightFormat::kGguf:
      return ReadGgufShapes(path);
    case WeightFormat::kMindSpore:
      break;
  }
  return ReadMindSpore(path);
}

NamedTensors ReadComponent(const std::string& folder, const std::string& variant) {
  const fs::path file = ChosenFile(folder, variant);
  return file.extension() == ".json" ? ReadShards(file) : FromSafeTensors(file.string());
}

std::vector<std::string> ComponentFiles(const std::string& folder, const std::string& variant) {
  const fs::path file = ChosenFile(folder, variant);
  if (file.extension() != ".json") return {file.string()};
  std::set<std::string> shards;
  for (const auto& [name, shard] : ShardsByTensor(file)) shards.insert((file.parent_path() / shard).string());
  return {shards.begin(), shards.end()};
}

}  // namespace mind::diffusion
