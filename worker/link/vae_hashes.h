// By what other programs tell one autoencoder's file from another.
#ifndef MIND_WORKER_LINK_VAE_HASHES_H_
#define MIND_WORKER_LINK_VAE_HASHES_H_

#include <string>

#include "worker/diffusion/pipelines/model_info.h"

namespace mind {

// The first ten digits of the file's SHA-256, as AUTOMATIC1111's infotexts have it. Read once for each time
// that the file was written. Empty: it cannot be read. Any thread; may take a second.
std::string VaeHashOf(const std::string& path);

// Whether the autoencoder of this name beside the model is the file of this hash.
bool HasVae(const diffusion::ModelInfo& model, const std::string& name, const std::string& hash);

}  // namespace mind

#endif  // MIND_WORKER_LINK_VAE_HASHES_H_
