#include "worker/diffusion/pipelines/vae_library.h"

#include <utility>

#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/weights/names/latent_diffusion_names.h"

namespace mind::diffusion {
namespace {

thread_local const std::string* chosen_here = nullptr;

}  // namespace

VaeScope::VaeScope(const std::string& name) : before_(chosen_here), name_(name) {
  chosen_here = &name_;
}

VaeScope::~VaeScope() {
  chosen_here = before_;
}

const std::string& VaeScope::chosen() {
  static const std::string* const none = new std::string;
  return chosen_here != nullptr ? *chosen_here : *none;
}

VaeLibrary::VaeLibrary(const ModelDirectory& directory, const AutoencoderConfig& config,
                       FileParameters::Options options)
    : directory_(directory), config_(config), options_(options) {}

std::shared_ptr<const AutoencoderKl> VaeLibrary::Use(const std::string& name) const {
  std::shared_ptr<const Vae> vae = Find(name);
  std::shared_ptr<const AutoencoderKl> used = vae->Use();
  const AutoencoderKl* const network = used.get();
  // Let go of first what is used, then whose it is.
  return {network,
          [vae = std::move(vae), used = std::move(used)](const AutoencoderKl*) mutable { used.reset(); }};
}

std::shared_ptr<const VaeLibrary::Vae> VaeLibrary::Find(const std::string& name) const {
  const std::map<std::string, std::string> files = directory_.VaeFiles();
  const auto file = files.find(name);
  if (file == files.end())
    throw RequestError("there is no autoencoder named \"" + name + "\" beside this model");
  const std::string& path = file->second;
  const std::string stamp = StampOfFile(path);
  const MutexLock lock(mutex_);
  if (const auto kept = kept_.find(name); kept != kept_.end() && kept->second.stamp == stamp)
    return kept->second.vae;
  const auto load = [path, stamp, config = config_, options = options_] {
    const c10::InferenceMode inference;
    if (StampOfFile(path) != stamp) throw ModelError(path + ": the file has changed since it was looked at");
    FileParameters weights(FromAutoencoder(ReadWeights(path)), options);
    auto vae = std::make_unique<const AutoencoderKl>(Scope(weights), config);
    weights.ExpectAllTaken();
    return vae;
  };
  auto vae = std::make_shared<const Vae>(kVaeFolder + ("/" + name), ModelDirectory::VaeContents(path),
                                         options_.room, load);
  kept_[name] = {stamp, vae};
  return vae;
}

}  // namespace mind::diffusion
