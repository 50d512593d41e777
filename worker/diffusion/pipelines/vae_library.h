// The autoencoders beside a loaded model, which requests may choose in place of its own.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_VAE_LIBRARY_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_VAE_LIBRARY_H_

#include <map>
#include <memory>
#include <string>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/mutex.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/weights/droppable.h"

namespace mind::diffusion {

// While it lives, pictures come to latents and back by this autoencoder on this thread. Empty: by the model's
// own. The innermost counts.
class VaeScope {
 public:
  explicit VaeScope(const std::string& name);
  ~VaeScope();
  VaeScope(const VaeScope&) = delete;
  VaeScope& operator=(const VaeScope&) = delete;

  static const std::string& chosen();

 private:
  const std::string* const before_;
  const std::string name_;
};

// Reads them on first use. Between uses they may be dropped (droppable.h). Thread-safe.
class VaeLibrary {
 public:
  // `config`: of the model's own, which fits those that fit.
  VaeLibrary(const ModelDirectory& directory, const AutoencoderConfig& config,
             FileParameters::Options options);

  // As it is on the disk now; it stays in memory while somebody holds it. Throws RequestError for a name
  // there is no file of, ModelError for a file that does not fit.
  std::shared_ptr<const AutoencoderKl> Use(const std::string& name) const;

 private:
  using Vae = Droppable<AutoencoderKl>;
  struct Kept {
    std::string stamp;  // of the file that it was read from
    std::shared_ptr<const Vae> vae;
  };

  std::shared_ptr<const Vae> Find(const std::string& name) const;

  const ModelDirectory directory_;
  const AutoencoderConfig config_;
  const FileParameters::Options options_;
  mutable Mutex mutex_;  // held while one is loaded: others of this model wait
  mutable std::map<std::string, Kept> kept_ MIND_GUARDED_BY(mutex_);  // by name
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_VAE_LIBRARY_H_
