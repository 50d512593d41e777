// One loaded model: everything around the denoiser that turns a request into rows for it, and latents into
// pictures.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_PIPELINE_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_PIPELINE_H_

#include <ATen/ATen.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "worker/diffusion/models/denoiser.h"
#include "worker/diffusion/pipelines/adapter_library.h"
#include "worker/diffusion/pipelines/guidance.h"
#include "worker/diffusion/pipelines/model_info.h"
#include "worker/diffusion/pipelines/resize.h"
#include "worker/diffusion/pipelines/start.h"
#include "worker/diffusion/samplers/noise_source.h"
#include "worker/diffusion/samplers/sampler_config.h"
#include "worker/diffusion/text/prompt_language.h"

namespace mind::diffusion {

// What SDXL is told of the frame a picture is cut out of, pixels: (height, width) and (top, left). What is
// unset has the picture's size.
struct FrameSizes {
  using Pair = std::array<int64_t, 2>;

  std::optional<Pair> original;  // before it was scaled and cropped
  std::optional<Pair> target;    // that it was scaled to
  Pair crop = {0, 0};            // where it was cropped
};

// Guidance away from what the model makes where layers look at nothing, or are left out
// (models/perturbation.h).
struct PerturbedGuidance {
  double scale = 0;  // 0: none, and no row for it
  double fall = 0;   // what the scale loses for each training step below the noisiest; not below 0
  std::vector<std::string> layers = {"mid"};  // as Perturbation names them
  PerturbedSteps steps;                       // that it acts in
};

// Towards what the network in scorer/ leads, and how much of its gradient counts.
struct ScorerWish {
  double scale = 0;    // 0: nothing of it
  std::string target;  // a text, or the number of a class; empty: the prompt, the label
};

// What a request says of a stage beside the one that its steps are for; what it does not say is the stage's
// default.
struct LaterStage {
  std::optional<int64_t> steps;
  std::optional<double> guidance;
  std::optional<int64_t> noise_level;
};

// What a request says about its picture, as far as a pipeline is concerned.
struct PictureRequest {
  std::string prompt;  // UTF-8; ignored by models without text
  // What guidance leads away from. None: nothing, which to some models is not the same as an empty text.
  std::optional<std::string> negative_prompt;
  // For a model's second text encoder, where that shall read something else than the first.
  std::string prompt_2, negative_prompt_2;
  std::string prompt_3, negative_prompt_3;  // for its third, likewise
  PromptReading reading;
  double guidance = 1;           // classifier-free guidance scale; 1 = none, and one row instead of two
  double guidance_rescale = 0;   // 0 … 1, Lin et al. 2023, sec. 3.4
  GuidedSteps guided_steps;      // that this guidance acts in; models with info().takes_guidance
  Projection projection;         // of it, likewise
  int64_t clip_skip = 0;         // last text layers left out, 0 … layers - 1
  std::optional<int64_t> label;  // a class by number; none for models without classes
  // Models that change a picture as the prompt says: how closely to stay with it, 1 and more.
  double picture_guidance = 1.5;
  // Models whose prior makes a picture's embedding of the prompt first: how closely that follows the prompt.
  double prior_guidance = 4;
  PerturbedGuidance perturbed;  // models with info().takes_perturbed
  ScorerWish scorer;            // models with an info().scorer
  // How much noise is put on the source of an upscaler, or on a picture's embedding: 0 … max_noise_level.
  int64_t noise_level = 20;
  std::vector<LoraUse> loras;                // of info().loras; their effects add up
  FrameSizes sizes;                          // models told of sizes
  std::optional<FrameSizes> negative_sizes;  // of what guidance leads away from; none: the same
  // Models told how beautiful a picture shall be, 0 … 10; and what guidance leads away from.
  double aesthetic_score = 6, negative_aesthetic_score = 2.5;
  std::vector<LaterStage> later_stages;  // of info().later_stages, in order, and no more of them

  // Of the stage that `guidance` is for.
  Guidance Guided() const {
    return {.scale = guidance, .rescale = guidance_rescale, .steps = guided_steps, .projection = projection};
  }
};

// The class a request asks for. Throws RequestError where it asks for none or for one that the model lacks.
// REQUIRES: info.class_count > 0
int64_t ExpectLabel(const ModelInfo& info, std::optional<int64_t> label);

// How a stage is sampled that a request has no say in.
struct StageSampling {
  std::string sampler;
  int64_t steps = 0;
};

// Immutable after construction apart from caches that lock themselves: any thread may call, under inference
// mode.
class Pipeline {
 public:
  virtual ~Pipeline() = default;

  virtual const ModelInfo& info() const = 0;
  virtual const SamplerConfig& sampler_config() const = 0;
  virtual const Denoiser& denoiser() const = 0;
  virtual at::Device device() const = 0;

  // Of what is denoised, for a picture of this size in pixels: [C, h, w], or [P] where that is an embedding.
  // REQUIRES: both are multiples of info().size_multiple.
  virtual std::vector<int64_t> LatentShape(int64_t width, int64_t height) const = 0;
  // The same for one request, where it hangs on more than the size.
  virtual std::vector<int64_t> ShapeFor(const PictureRequest&, int64_t width, int64_t height) const {
    return LatentShape(width, height);
  }
  // Width and height of the source picture of a request for such a picture: the same, or for an upscaler as
  // much smaller as it enlarges. A cascade's first stage takes its source at its own size.
  virtual std::vector<int64_t> SourceSize(int64_t width, int64_t height) const {
    return {width / info().enlargement, height / info().enlargement};
  }
  // By which a request's picture and mask are resized to that.
  virtual ResizeFilter source_filter() const { return ResizeFilter::kLanczos; }
  // The rows an evaluation of a latent of this shape needs. Encodes text: belongs beside the step thread.
  // Throws RequestError.
  virtual Conditioning Condition(const PictureRequest& request, at::IntArrayRef shape) const = 0;
  // latent float [C, h, w] → picture float [3, H, W] in [0, 1], on the pipeline's device. Slow: beside the
  // step thread.
  virtual at::Tensor Decode(const at::Tensor& latent) const = 0;
  // Picture float [3, H, W] in [0, 1], on the pipeline's device → what the denoiser works on, [C, h, w].
  // Draws from `noise` where the encoder makes a distribution. Slow: beside the step thread.
  virtual at::Tensor Encode(const at::Tensor& picture, NoiseSource& noise) const = 0;
  // Where a trajectory of this latent shape begins. With a mask: inpainting, by what the network was made for
  // (it sees mask and masked picture beside x) or, with any other, by putting the known part back. Draws from
  // `noise` in the order diffusers' pipelines do. Slow: beside the step thread. Throws RequestError where the
  // model needs what the source lacks.
  virtual Start Begin(const Source& source, const PictureRequest& request, at::IntArrayRef shape,
                      NoiseSource& noise) const;
  // What the rows are told of the request's pictures, as far as that is not the prompt's: `start` is what
  // Begin made of the same source. Slow: beside the step thread. Throws RequestError.
  virtual void Tell(const Source& source, const Start& start, const PictureRequest& request,
                    Conditioning& conditioning) const;
  // A small, cheap picture of an estimate of x0: float [3, h, w] in [0, 1]. Undefined: x is no picture.
  virtual at::Tensor Preview(const at::Tensor& x0) const = 0;
  // How it is sampled as a stage of a cascade; none: as the request says.
  virtual std::optional<StageSampling> own_sampling() const { return std::nullopt; }
  // The same as sampler_config(), or what takes its place for another number of steps than usual.
  virtual SamplerConfig ConfigFor(int64_t) const { return sampler_config(); }
  // The stage of a cascade that goes on from what this one has made; null: this is the last, or the only one.
  // Lives as long as this.
  virtual const Pipeline* next() const { return nullptr; }
  // Whether the pictures that a request brings are for the next stage: this one begins without.
  virtual bool leaves_pictures() const { return false; }
  // Whether the next stage begins with what x stands for at this one's end (Source::result), not with its
  // picture: an embedding, or a picture that is not rounded to bytes.
  virtual bool hands_result() const { return false; }
  // That, float, of x's shape. REQUIRES: hands_result()
  virtual at::Tensor Result(const at::Tensor& x) const { return x; }
  // Where the next stage goes on with this one's latents, as the share of the noise that is gone by then: it
  // is sampled as the request says, from the same steps. 1: this stage goes to its end and hands over its
  // picture.
  virtual double hand_over() const { return 1; }

 protected:
  // Whether the source has what the model needs and nothing that it does not take. Throws RequestError.
  void ExpectPictures(const Source& source) const;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_PIPELINE_H_
