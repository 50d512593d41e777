// A request's source picture and mask as they come to the size that a model works at, and how what it makes
// of them comes back into the picture.
#ifndef MIND_WORKER_DIFFUSION_ENGINE_SOURCE_FRAME_H_
#define MIND_WORKER_DIFFUSION_ENGINE_SOURCE_FRAME_H_

#include <ATen/ATen.h>

#include <functional>
#include <optional>
#include <string>

#include "worker/diffusion/engine/trajectory_request.h"
#include "worker/diffusion/pipelines/resize.h"

namespace mind::diffusion {

// Makes uint8 [H, W, 3] on the CPU of a source picture's file. Throws RequestError. Called from several
// threads.
using DecodeFile = std::function<at::Tensor(const std::string& file)>;

// Part of a picture, pixels.
struct PictureRegion {
  int64_t left = 0, top = 0, width = 0, height = 0;

  bool operator==(const PictureRegion&) const = default;
};

// What is not 0 in a mask, uint8 [H, W, 1], with so many pixels around, and with more of them where that has
// other proportions than width and height, as far as there are any. None: all is 0. Reference: AUTOMATIC1111
// modules/masking.py, get_crop_region_v2 and expand_crop_region.
std::optional<PictureRegion> RegionAround(const at::Tensor& mask, int64_t padding, int64_t width,
                                          int64_t height);

class SourceFrame {
 public:
  // REQUIRES: the request has a source picture. Throws RequestError.
  SourceFrame(const TrajectoryRequest& request, const DecodeFile& decode);

  // uint8 [height, width, 3] on the CPU: the picture, or the part of it that is painted.
  at::Tensor Picture(int64_t width, int64_t height, ResizeFilter filter) const;
  // As the request brought it, uint8 [H, W, 3], and whether that is what the model is to see, all of it and
  // drawn out to whatever size.
  const at::Tensor& original() const { return picture_; }
  bool whole() const { return fit_ == Fit::kStretch && !region_; }
  // uint8 [height, width, 1]; undefined: there is none.
  at::Tensor Mask(int64_t width, int64_t height, ResizeFilter filter) const;
  // The finished picture of what has been made at the request's size. Reference: AUTOMATIC1111
  // modules/processing.py, apply_overlay.
  at::Tensor PutBack(const at::Tensor& made, ResizeFilter filter) const;
  // Whether that is another.
  bool puts_back() const { return soft_ || region_.has_value(); }

 private:
  // Of the source or the mask.
  at::Tensor Fitted(const at::Tensor& picture, int64_t width, int64_t height, ResizeFilter filter) const;

  Fit fit_;
  bool soft_ = false;
  at::Tensor picture_, mask_;  // uint8 [H, W, 3], [H', W', 1]
  // What of them the model sees; none: all. Mask and picture then are of one size.
  std::optional<PictureRegion> region_;
};

}  // namespace mind::diffusion

#endif  // MIND_WORKER_DIFFUSION_ENGINE_SOURCE_FRAME_H_
