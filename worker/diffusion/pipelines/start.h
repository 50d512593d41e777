// Where a trajectory begins, and what it has to keep.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_START_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_START_H_

#include <ATen/ATen.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/diffusion/samplers/sampler.h"

namespace mind::diffusion {

// A picture that steers a model through one of the networks beside it.
struct ControlPicture {
  std::string network;        // one of info().controls
  at::Tensor picture;         // float [3, H, W] in [0, 1]; -1 where nothing is known
  double weight = 1;          // of what the network adds
  double begin = 0, end = 1;  // of which steps, as shares of them
  // Which kind of picture it is, by number, for networks that know several.
  std::optional<int64_t> kind = std::nullopt;
  bool graded = false;  // steers by itself, for prompts that say little: diffusers' guess_mode
};

// A picture that is a prompt, through one of the adapters beside a model.
struct PromptPicture {
  std::string adapter;  // one of info().picture_adapters
  at::Tensor picture;   // uint8 [H, W, 3] on the CPU, as the request brought it
  double weight = 1;    // of what it adds
  at::Tensor mask;      // float [1, H', W'] in [0, 1], of the made picture's size; undefined: everywhere
  std::vector<std::pair<std::string, double>> layers;  // weights by the beginnings of layers' names, instead
};

// What a request supplies beside its prompt.
struct Source {
  at::Tensor picture;               // float [3, H, W] in [0, 1]; undefined: none
  at::Tensor original;              // uint8 [H', W', 3] on the CPU: the same as the request brought it
  std::vector<at::Tensor> further;  // others like it, each of a size of its own: info().most_references
  at::Tensor result;  // of the stage before (Pipeline::Result), on this one's device; undefined: none
  at::Tensor mask;  // float [1, H, W] in [0, 1], 0.5 and more where it is to be painted anew; undefined: none
  bool soft_mask = false;                // what lies between 0 and 1 counts: painted so far, kept so far
  at::Tensor depth;                      // float [1, H', W'], larger is nearer, any range; undefined: none
  double strength = 1;                   // 0 … 1: how far to go from the picture
  std::vector<ControlPicture> controls;  // their effects add up
  std::vector<PromptPicture> prompts;    // likewise

  bool defined() const { return picture.defined(); }
  // What a model goes by that changes pictures, in the request's order. REQUIRES: defined()
  std::vector<at::Tensor> References() const {
    std::vector<at::Tensor> all = {original};
    all.insert(all.end(), further.begin(), further.end());
    return all;
  }
  // How much of each pixel stays, float [1, H, W] in [0, 1]. REQUIRES: there is a mask
  at::Tensor Kept() const { return soft_mask ? 1 - mask : (mask < 0.5).to(at::kFloat); }
  // The same of each latent of x's shape, [1, h, w]: of a soft mask the mean of its pixels, else by the upper
  // left one. REQUIRES: likewise
  at::Tensor KeptLatents(at::IntArrayRef shape) const;
};

// In the space that is denoised, [C, h, w].
struct Start {
  at::Tensor noise;  // unit normal
  at::Tensor x0;     // of the source picture; undefined: there is none, or it is not needed
  at::Tensor kept;   // float [1, h, w], how much of x0 is put back after every step; undefined: nothing
  bool kept_clean = false;  // what is kept stays the picture itself, not noised to where x is
  at::Tensor channels;      // [C', h, w], shown to the network beside x; undefined: none
  // [P], or [2, P] with what guidance leads away from, told the network as Condition::kImage; undefined:
  // nothing.
  at::Tensor image;
  // [M, C'] and [M, axes]: tokens of pictures that the network goes by, and where they are, told it as
  // Condition::kReference and kReferencePlaces; undefined: none.
  at::Tensor reference, reference_places;
  bool from_noise = true;  // whether it begins with noise alone
};

// The state before the first step to be taken: after none, or with a picture at less than full strength after
// steps·(1 - strength). Its noise source is the caller's to give. Throws RequestError where no step is left.
SampleState Beginning(const Start& start, double strength, const Sampler& sampler);
// The same, with a picture, before this step.
SampleState BeginningAt(int64_t step, const Start& start, const Sampler& sampler);

// How many of a sampler's steps are left out where a trajectory begins with a picture, at such a strength:
// the rest of so many that are taken, rounded down; of rectified flow the share itself, rounded down, as the
// references have it. Throws RequestError where that is all.
int64_t StepsLeftOut(double strength, const Sampler& sampler);

// How many of a sampler's steps lie before so much of the noise is gone, 0 … 1: where another model may go on
// with the latents. Reference: diffusers' denoising_end.
int64_t StepsBefore(double share, const Sampler& sampler, int64_t train_steps);

// To be called after every step. Inpainting with a network that was not made for it: what the mask leaves
// alone is the source picture, noised to where x is now, or clean. Reference: diffusers
// StableDiffusionInpaintPipeline, IFInpaintingPipeline.
void KeepKnown(const Start& start, const Sampler& sampler, SampleState& state);

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_START_H_
