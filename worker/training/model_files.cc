#include "worker/training/model_files.h"

#include <filesystem>

#include "worker/diffusion/weights/named_tensors.h"
#include "worker/diffusion/weights/safetensors.h"
#include "worker/training/files.h"

namespace mind::training {

namespace fs = std::filesystem;
using diffusion::Config;

Config PartOf(const nlohmann::json& network, const std::string& part) {
  const Config whole(network, "network");
  if (whole.Unset(part) || !whole.at(part).is_object()) whole.Unsupported(part, "an object");
  return Config(whole.at(part), "network: " + part);
}

std::string FolderOf(const nlohmann::json& network, const std::string& part) {
  const Config whole(network, "network");
  const std::string folder = whole.String(part, "");
  if (!fs::is_directory(folder)) whole.Unsupported(part, "a folder that is there");
  return folder;
}

void WriteJson(const std::string& folder, const std::string& name, const nlohmann::json& json) {
  fs::create_directories(folder);
  WriteFile(folder + "/" + name, json.dump(1) + "\n");
}

void CopyFolder(const std::string& from, const std::string& to) {
  fs::create_directories(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    if (entry.is_regular_file()) {
      fs::copy_file(entry.path(), fs::path(to) / entry.path().filename(),
                    fs::copy_options::overwrite_existing);
    }
  }
}

void WriteWeights(const std::string& directory, const std::string& part, const std::string& file,
                  const Tensors& parameters) {
  const std::string prefix = part + ".";
  Tensors tensors;
  for (const auto& [name, tensor] : parameters) {
    if (name.starts_with(prefix)) tensors[name.substr(prefix.size())] = tensor.to(at::kHalf);
  }
  fs::create_directories(directory + "/" + part);
  WriteFile(directory + "/" + part + "/" + file, diffusion::SerializeSafeTensors(tensors));
}

Tensors ReadWeights(const std::string& directory, const std::string& part) {
  Tensors tensors;
  for (const auto& [name, tensor] : diffusion::ReadComponent(directory + "/" + part).tensors)
    tensors[part + "." + name] = tensor;
  return tensors;
}

}  // namespace mind::training
