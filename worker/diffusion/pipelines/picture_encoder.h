// From a picture to what CLIP makes of it.
#ifndef MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_ENCODER_H_
#define MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_ENCODER_H_

#include <ATen/ATen.h>

#include <array>
#include <memory>
#include <string>

#include "worker/diffusion/models/clip_vision.h"
#include "worker/diffusion/pipelines/model_directory.h"

namespace mind::diffusion {

// What is done to a picture before CLIP sees it. Reference: transformers CLIPImageProcessor.
struct ClipPreprocessing {
  int64_t shorter_side = 224;  // pixels that it is resized to
  int64_t crop = 224;          // side of the square that is cut out of the middle
  std::array<double, 3> mean = {0.48145466, 0.4578275, 0.40821073};
  std::array<double, 3> deviation = {0.26862954, 0.26130258, 0.27577711};

  // A preprocessor_config.json. Throws ModelError.
  static ClipPreprocessing From(const Config& config);
  // uint8 [H, W, 3] on the CPU → float [3, crop, crop].
  at::Tensor operator()(const at::Tensor& picture) const;
};

// Immutable after construction; any thread may call, under inference mode.
class PictureEncoder {
 public:
  // From the folders image_encoder/ and `preprocessing`/; or from one, `encoder`, which may say nothing of
  // preprocessing: then pictures are brought to the encoder's size. Throws ModelError.
  PictureEncoder(const ModelDirectory& directory, const std::string& preprocessing,
                 FileParameters::Options options, const std::string& encoder = "image_encoder");

  // uint8 [H, W, 3] on the CPU → float [3, side, side], on the model's device.
  at::Tensor Pixels(const at::Tensor& picture) const;
  // Of such pixels: float [width()].
  at::Tensor Embed(const at::Tensor& pixels) const;
  // Of pixels [n, 3, side, side].
  PictureStates States(const at::Tensor& pixels) const { return (*encoder_)(pixels); }
  const ClipVisionConfig& config() const { return encoder_->config(); }
  int64_t width() const { return encoder_->config().projection; }

 private:
  at::Device device_;
  ClipPreprocessing preprocessing_;
  std::unique_ptr<const ClipVision> encoder_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_PIPELINES_PICTURE_ENCODER_H_
