// A scorer of pictures for a model of latents: it sees them decoded, and its gradient goes through the
// decoder.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_DECODED_SCORER_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_DECODED_SCORER_H_

#include <memory>

#include "worker/diffusion/models/autoencoder_kl.h"
#include "worker/diffusion/models/scorer.h"

namespace mind::diffusion {

// Its sample is an estimate of the clean latents, as the denoiser has them.
//
// What a decoder makes inside is kept for the gradient: of latents of no more than a tile, all of it at once;
// of larger ones a tile's at a time, each of which is decoded a second time for that (pipelines/tiles.h;
// Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost").
class DecodedScorer : public Scorer {
 public:
  // The autoencoder's weights, as the scorer's, must have been made outside inference mode. `tile`: latents
  // each way. REQUIRES: scorer->sees_clean()
  DecodedScorer(std::unique_ptr<const Scorer> scorer, std::unique_ptr<const AutoencoderKl> autoencoder,
                int64_t tile);

  bool sees_clean() const override { return true; }
  at::Tensor Score(const DenoiserInput& input) const override;

 private:
  at::Tensor Decoded(const at::Tensor& latents) const;

  const std::unique_ptr<const Scorer> scorer_;
  const std::unique_ptr<const AutoencoderKl> autoencoder_;
  const int64_t tile_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_DECODED_SCORER_H_
