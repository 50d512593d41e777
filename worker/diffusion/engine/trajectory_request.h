// What the engine is asked to do, and how it answers.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_REQUEST_H_
#define MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_REQUEST_H_

#include <ATen/ATen.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "worker/diffusion/pipelines/pipeline.h"
#include "worker/diffusion/pipelines/resize.h"
#include "worker/diffusion/samplers/parameters.h"

namespace mind::diffusion {

// A picture that steers the model through one of the networks beside it.
struct ControlInput {
  std::string network;        // one of the model's
  std::string picture;        // a file that Engine::Options::decode understands; resized to width and height
  double weight = 1;          // of what the network adds
  double begin = 0, end = 1;  // of which steps: those that lie within this share of them whole
  bool guess_mode = false;    // it steers by itself, for prompts that say little
  std::optional<int64_t> kind = std::nullopt;  // which it is, for networks that know several
};

// A picture that is a prompt, through one of the adapters beside the model.
struct PicturePromptInput {
  std::string adapter;  // one of the model's
  std::string picture;  // a file that Engine::Options::decode understands
  double weight = 1;    // of what it adds
  std::string mask;     // a file too: bright where it acts, resized to width and height; empty: everywhere
  std::vector<std::pair<std::string, double>>
      layers;  // weights by the beginnings of layers' names; none: all
};

// What the painted part of a picture begins with (AUTOMATIC1111's "masked content").
enum class MaskFill {
  kOriginal,      // the picture itself
  kSurroundings,  // the colours around it (FilledIn)
  kNoise,         // latents of the seed's first noise
  kNothing,       // latents of zero
};

// The autoencoder that takes the place of the model's own.
struct VaeUse {
  std::string name;  // one of the model's; empty: its own
  std::string hash;  // which file that is, in whatever words; it is not looked at
};

// A second pass of the same model, over its own picture enlarged.
struct HiresPass {
  int64_t width = 0;  // pixels
  int64_t height = 0;
  int64_t steps = 0;      // that it takes, the last of steps / strength
  double strength = 0.7;  // how far from the enlarged picture, 0 … 1
  bool latents = true;    // whether those are enlarged, or the picture
};

// One picture.
struct TrajectoryRequest {
  std::string model;
  PictureRequest picture;
  int64_t width = 0;  // pixels
  int64_t height = 0;
  std::string sampler;
  int64_t steps = 0;
  SamplerParameters sampler_parameters;
  uint64_t seed = 0;
  // The first stage's noise lies between the seed's and another's, the farther the stronger, 0 … 1.
  struct Variation {
    uint64_t seed = 0;
    double strength = 0;
  };
  Variation variation;
  // A picture to begin with instead of pure noise, as a file that Engine::Options::decode understands; empty:
  // none. It is resized to width and height. The last strength·steps steps are taken, rounded down, from the
  // picture noised to where they begin.
  std::string source;
  // Further pictures that a model goes by which changes them, in order: files like that.
  std::vector<std::string> references;
  std::string mask;         // likewise: bright where the source picture is to be painted anew
  Fit fit = Fit::kStretch;  // how those two come to that size
  // The mask's grey levels count, blurred by so many of its pixels before, and what is not painted is put
  // back over the picture; none: what is half bright or more is painted.
  std::optional<double> mask_blur;
  // Only the part of the source picture around what is bright is seen and painted, with so many pixels around
  // it, and put back: the picture has the source's size.
  std::optional<int64_t> only_masked;
  MaskFill mask_fill = MaskFill::kOriginal;  // counts below full strength
  VaeUse vae;
  std::string depth;      // likewise: the source picture's depth, near is bright
  double strength = 0.8;  // 0 … 1
  std::optional<HiresPass> hires;
  bool tiling = false;  // its edges are neighbours: the picture can be laid side by side with itself
  std::vector<ControlInput> controls;
  std::vector<PicturePromptInput> picture_prompts;
  // Whose turn it is among others (StepTurns): the job that the picture is part of (empty: it is one by
  // itself), and the tenant whose job that is, with its share against other tenants', more than 0.
  std::string job;
  std::string tenant;
  double tenant_weight = 1;
  int64_t priority = 0;       // higher goes first where a batch has no room for all
  int64_t preview_every = 1;  // steps between previews; 0: none
  // The weights that are meant, as ModelInfo has them: with others the request is handed back. Empty: any.
  std::string revision;
  std::string
      checkpoint;  // bytes from OnCheckpoint or OnHandedBack of the same request, to go on from; else empty
};

// Everything of a request that decides its picture, as one line: two requests make the same picture only if
// equal.
std::string Fingerprint(const TrajectoryRequest& request);

// What is done for a picture beside its steps.
enum class SideWork {
  kLoading,    // its model is brought into memory, or waits for room there
  kEncoding,   // prompt and source pictures
  kUpscaling,  // from one stage of a cascade to the next
  kDecoding,   // of the last step
};

// The course of one trajectory. Calls come from the engine's threads, never two at once for the same
// trajectory except OnPreview and OnCheckpoint, which run beside the others. They must not block nor throw.
// Exactly one of the last four comes, once, and nothing after it except a late preview or checkpoint.
class TrajectoryEvents {
 public:
  virtual ~TrajectoryEvents() = default;

  // Such work begins: loading and encoding before OnStarted, upscaling and decoding after a stage's last
  // step.
  virtual void OnSideWork(SideWork work) {}
  // Denoising begins, at `step` > 0 when it goes on from a checkpoint.
  virtual void OnStarted(int64_t step) = 0;
  virtual void OnStep(int64_t step, int64_t steps) = 0;
  // uint8 [h, w, 3] on the CPU, of the estimate after `step` steps.
  virtual void OnPreview(int64_t step, at::Tensor picture) = 0;
  virtual void OnCheckpoint(int64_t step, std::string bytes) = 0;

  // uint8 [H, W, 3] on the CPU.
  virtual void OnPicture(at::Tensor picture) = 0;
  // The engine was told to give it back: `bytes` is the checkpoint to go on from elsewhere, empty if not a
  // step was taken.
  virtual void OnHandedBack(int64_t step, std::string bytes) = 0;
  virtual void OnCancelled(int64_t step) = 0;
  // RequestError, ModelError, CheckpointError, or whatever else went wrong.
  virtual void OnFailed(std::exception_ptr error) = 0;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_TRAJECTORY_REQUEST_H_
