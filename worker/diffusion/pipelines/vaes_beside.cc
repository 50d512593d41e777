// Which autoencoders lie beside a model, and whether they fit it: those of ModelDirectory's functions.
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"

namespace mind::diffusion {
namespace {

constexpr char kOwnVae[] = "vae";

// What of an autoencoder is not as the model's own; empty: nothing.
std::string WhyUnfit(const NamedTensors& vae, const NamedTensors& own) {
  for (const auto& [name, tensor] : own.tensors) {
    const auto found = vae.tensors.find(name);
    if (found == vae.tensors.end()) return "it has no tensor \"" + name + "\", which the model's own has";
    if (found->second.sizes() != tensor.sizes())
      return "its tensor \"" + name + "\" has shape " + ShapeText(found->second.sizes()) +
             ", the model's own has " + ShapeText(tensor.sizes());
  }
  for (const auto& [name, tensor] : vae.tensors) {
    if (!own.Has(name)) return "it has a tensor \"" + name + "\", which the model's own has not";
  }
  return "";
}

}  // namespace

std::string ModelDirectory::VaeFolderBeside(const std::string& path) {
  return (std::filesystem::path(path).parent_path() / kVaeFolder).string();
}

NamedTensors ModelDirectory::OwnVaeShapes() const {
  const std::vector<std::string> files = OwnWeightFiles(kOwnVae);
  if (files.empty()) {
    LatentDiffusionParts parts = FromLatentDiffusion(ReadShapes(WholeFile()));
    return std::move(parts[kOwnVae]);
  }
  NamedTensors shapes{files.front(), {}};
  for (const std::string& file : files) shapes.tensors.merge(ReadShapes(file).tensors);
  return FromAutoencoder(shapes);
}

std::map<std::string, std::string> ModelDirectory::VaeFiles() const {
  // With a configuration it is a model's part.
  return IsFile(vae_folder_ + kConfigFile) ? std::map<std::string, std::string>()
                                           : SafeTensorsIn(vae_folder_);
}

std::vector<VaeInfo> ModelDirectory::Vaes() const {
  std::vector<VaeInfo> vaes;
  const std::map<std::string, std::string> files = VaeFiles();
  if (files.empty()) return vaes;
  const NamedTensors own = OwnVaeShapes();
  for (const auto& [name, path] : files) {
    VaeInfo& vae = vaes.emplace_back(VaeInfo{.name = name, .path = path, .unfit = ""});
    try {
      vae.unfit = WhyUnfit(FromAutoencoder(ReadShapes(path)), own);
    } catch (const ModelError& e) {
      vae.unfit = e.what();
    }
  }
  return vaes;
}

}  // namespace mind::diffusion
