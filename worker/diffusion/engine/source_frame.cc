#include "worker/diffusion/engine/source_frame.h"

#include <algorithm>

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/diffusion/pipelines/blur.h"

namespace mind::diffusion {
namespace {

constexpr int64_t kHalfBright = 128;

// From begin to end, grown to `wanted` on both sides; at an edge the other side has what is too much there.
void Grow(int64_t wanted, int64_t limit, int64_t& begin, int64_t& end) {
  const int64_t more = wanted - (end - begin);
  begin -= more / 2;
  end += more - more / 2;
  if (end >= limit) {
    begin -= end - limit;
    end = limit;
  }
  if (begin < 0) {
    end = std::min(end - begin, limit);
    begin = 0;
  }
}

at::Tensor PartOf(const at::Tensor& picture, const PictureRegion& region) {
  return picture.narrow(0, region.top, region.height).narrow(1, region.left, region.width).contiguous();
}

// `over` as far as `share`, uint8 [H, W, 1], says.
at::Tensor Blended(const at::Tensor& under, const at::Tensor& over, const at::Tensor& share) {
  const at::Tensor wide = share.to(at::kInt);
  return ((under.to(at::kInt) * (255 - wide) + over.to(at::kInt) * wide) + 127)
      .div(255, "floor")
      .to(at::kByte);
}

}  // namespace

std::optional<PictureRegion> RegionAround(const at::Tensor& mask, int64_t padding, int64_t width,
                                          int64_t height) {
  const at::Tensor lines = (mask > 0).squeeze(2);
  const at::Tensor rows = at::nonzero(lines.any(1)).squeeze(1),
                   columns = at::nonzero(lines.any(0)).squeeze(1);
  if (rows.numel() == 0) return std::nullopt;
  const int64_t high = mask.size(0), wide = mask.size(1);
  int64_t left = std::max<int64_t>(columns[0].item<int64_t>() - padding, 0);
  int64_t top = std::max<int64_t>(rows[0].item<int64_t>() - padding, 0);
  int64_t right = std::min(columns[-1].item<int64_t>() + 1 + padding, wide);
  int64_t bottom = std::min(rows[-1].item<int64_t>() + 1 + padding, high);
  if ((right - left) * height > (bottom - top) * width) {
    Grow((right - left) * height / width, high, top, bottom);
  } else {
    Grow((bottom - top) * width / height, wide, left, right);
  }
  return PictureRegion{left, top, right - left, bottom - top};
}

SourceFrame::SourceFrame(const TrajectoryRequest& request, const DecodeFile& decode)
    : fit_(request.fit), soft_(request.mask_blur.has_value()), picture_(decode(request.source)) {
  if (request.mask.empty()) {
    if (soft_ || request.only_masked) throw RequestError("what is painted of a picture needs a mask");
    return;
  }
  mask_ = ToGrey(decode(request.mask));
  if (soft_) mask_ = BlurMask(mask_, *request.mask_blur);
  if (!request.only_masked) return;
  mask_ = ResizePicture(mask_, picture_.size(1), picture_.size(0));
  region_ = RegionAround(soft_ ? mask_ : mask_ * (mask_ >= kHalfBright), *request.only_masked, request.width,
                         request.height);
  if (!region_) throw RequestError("nothing is bright in the mask: there is nothing to paint");
}

at::Tensor SourceFrame::Fitted(const at::Tensor& picture, int64_t width, int64_t height,
                               ResizeFilter filter) const {
  if (!region_) return FitPicture(picture, width, height, fit_, filter);
  // Whose proportions are the size's, but for what the picture has no room for.
  return FitPicture(PartOf(picture, *region_), width, height, Fit::kFill, filter);
}

at::Tensor SourceFrame::Picture(int64_t width, int64_t height, ResizeFilter filter) const {
  return Fitted(picture_, width, height, filter);
}

at::Tensor SourceFrame::Mask(int64_t width, int64_t height, ResizeFilter filter) const {
  return mask_.defined() ? Fitted(mask_, width, height, filter) : at::Tensor();
}

at::Tensor SourceFrame::PutBack(const at::Tensor& made, ResizeFilter filter) const {
  if (!puts_back()) return made;
  const at::Tensor mask = region_ ? PartOf(mask_, *region_) : Mask(made.size(1), made.size(0), filter);
  // What is half bright has been painted wholly: the seam lies where latents were kept, too.
  const at::Tensor share =
      soft_ ? (mask.to(at::kInt) * 2).clamp(0, 255).to(at::kByte) : (mask >= kHalfBright).to(at::kByte) * 255;
  if (!region_) return Blended(Picture(made.size(1), made.size(0), filter), made, share);
  at::Tensor whole = picture_.clone();
  const at::Tensor place =
      whole.narrow(0, region_->top, region_->height).narrow(1, region_->left, region_->width);
  place.copy_(Blended(place, FitPicture(made, region_->width, region_->height, Fit::kCrop, filter), share));
  return whole;
}

}  // namespace mind::diffusion
