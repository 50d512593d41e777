// The network in a model's scorer/, whose gradient leads its pictures: CLIP towards a text, a classifier
// towards a class. For models that were trained on discrete noise levels, and for flows.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_SCORER_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_SCORER_H_

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "worker/diffusion/models/clip_text.h"
#include "worker/diffusion/models/scorer.h"
#include "worker/diffusion/pipelines/model_directory.h"
#include "worker/diffusion/samplers/sampler_config.h"
#include "worker/diffusion/text/tokenizer.h"

namespace mind::diffusion {

// Immutable after construction; any thread may call.
//
// A scorer leads as classifier guidance does (Dhariwal & Nichol 2021): where a sampler draws from a mean of
// its own, by a shift of that (alg. 1, Sampler::shifts_mean), else by moving the prediction (alg. 2): eps' =
// eps - sigma·scale·gradient, and what predicts velocity, x0 or a flow likewise. Of one that sees noisy
// pictures the gradient is that by x. Of one that sees clean ones it is that by the estimate of x0, times
// alpha, which is how the estimate would follow x if pictures were normal: the denoiser itself is not
// differentiated. Of a latent model the estimate is decoded for it, and the gradient goes through the decoder
// (DecodedScorer).
class PictureScorer {
 public:
  // What the folder's config.json says: model_type clip, or _class_name EncoderUNetModel or GlideClip. Fills
  // in info.scorer. `channels`: of what the model denoises. Does nothing where there is no such folder.
  // Throws ModelError, and UnsupportedError for other kinds.
  static void Describe(const ModelDirectory& directory, const SamplerConfig& sampler, int64_t channels,
                       ModelInfo& info);
  // Null where there is none. Throws ModelError. REQUIRES: Describe does not throw
  static std::unique_ptr<const PictureScorer> Load(const ModelDirectory& directory,
                                                   const SamplerConfig& sampler,
                                                   FileParameters::Options options);
  // The same of a model of latents, whose decoder (vae/) is loaded for it once more, since gradients go
  // through it; where that is the model's own in type too, it is in memory once (HeldOnce). `tile` as
  // DecodedScorer has it.
  static std::unique_ptr<const PictureScorer> LoadDecoded(const ModelDirectory& directory,
                                                          const SamplerConfig& sampler,
                                                          FileParameters::Options options, int64_t tile);

  // What a request wants of it joins the conditioning. Throws RequestError where it cannot be had, also where
  // the request wants a scorer and this, null, is none. `label`: the class that the model itself is asked
  // for.
  static void Ask(const PictureScorer* scorer, const PictureRequest& request, at::IntArrayRef shape,
                  Conditioning& conditioning);

  const Scorer& network() const { return *network_; }
  // What the network is shown where the denoiser, shown x [C, H, W], has answered so: [C, H, W].
  at::Tensor Seen(const at::Tensor& x, double timestep, const at::Tensor& answer) const;
  // The network's gradient there as one by x.
  at::Tensor ByX(double timestep, const at::Tensor& gradient) const;
  // The answer as such a gradient, scaled, moves it.
  at::Tensor Moved(const at::Tensor& answer, double timestep, const at::Tensor& by_x) const;

 private:
  PictureScorer() = default;

  static std::unique_ptr<PictureScorer> LoadNetworks(const ModelDirectory& directory,
                                                     const SamplerConfig& sampler,
                                                     FileParameters::Options options);
  NoiseLevel LevelOf(double timestep) const;
  // Of length 1. Throws RequestError where the text is too long.
  at::Tensor Embedded(const std::string& text) const;

  SamplerConfig sampler_;
  std::vector<double> log_sigmas_;  // by training step; of a flow none
  at::Device device_ = at::kCPU;
  std::unique_ptr<const Scorer> network_;
  // Of CLIP; else null.
  std::unique_ptr<const Tokenizer> tokenizer_;
  std::unique_ptr<const ClipText> text_;
  int64_t class_count_ = 0;  // of a classifier; else 0
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_SCORER_H_
