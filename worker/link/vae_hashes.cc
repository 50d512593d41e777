#include "worker/link/vae_hashes.h"

#include <algorithm>
#include <map>

#include "absl/strings/escaping.h"
#include "proto/support/digest.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/mutex.h"
#include "worker/diffusion/pipelines/model_files.h"
#include "worker/diffusion/weights/mapped_file.h"

namespace mind {
namespace {

constexpr size_t kDigits = 10;

struct KnownHashes {
  Mutex mutex;
  std::map<std::string, std::string> hashes MIND_GUARDED_BY(mutex);  // by path and stamp
};

}  // namespace

std::string VaeHashOf(const std::string& path) {
  static auto* const known = new KnownHashes;
  const std::string key = path + "\n" + diffusion::StampOfFile(path);
  const MutexLock lock(known->mutex);
  std::string& hash = known->hashes[key];
  if (!hash.empty()) return hash;
  try {
    hash = absl::BytesToHexString(Sha256(diffusion::MappedFile(path).bytes())).substr(0, kDigits);
  } catch (const diffusion::ModelError&) {
    return "";
  }
  return hash;
}

bool HasVae(const diffusion::ModelInfo& model, const std::string& name, const std::string& hash) {
  return std::any_of(model.vaes.begin(), model.vaes.end(), [&](const diffusion::VaeInfo& vae) {
    return vae.name == name && vae.unfit.empty() && VaeHashOf(vae.path) == hash;
  });
}

}  // namespace mind
