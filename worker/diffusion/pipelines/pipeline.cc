#include "worker/diffusion/pipelines/pipeline.h"

#include "worker/diffusion/error.h"

namespace mind::diffusion {
namespace {

// Depth as diffusers' StableDiffusionDepth2ImgPipeline shows it: at latent size, from -1 to 1.
at::Tensor DepthChannel(const at::Tensor& depth, at::IntArrayRef shape) {
  const at::Tensor small =
      at::upsample_bicubic2d(depth.unsqueeze(0), {shape[1], shape[2]}, /*align_corners=*/false).squeeze(0);
  const at::Tensor nearest = small.max(), range = nearest - small.min();
  return at::where(range > 0, 1 - 2 * (nearest - small) / range, at::zeros_like(small));
}

}  // namespace

int64_t ExpectLabel(const ModelInfo& info, std::optional<int64_t> label) {
  const std::string range = "0 to " + std::to_string(info.class_count - 1);
  if (!label) throw RequestError("this model makes pictures of a class: a label is needed, " + range);
  if (*label >= 0 && *label < info.class_count) return *label;
  throw RequestError("the label must be " + range + ", given: " + std::to_string(*label));
}

void Pipeline::Tell(const Source&, const Start& start, const PictureRequest&,
                    Conditioning& conditioning) const {
  for (Told& row : conditioning.rows) {
    row.Set(Condition::kChannels, start.channels);
    row.Set(Condition::kReference, start.reference);
    row.Set(Condition::kReferencePlaces, start.reference_places);
  }
}

void Pipeline::ExpectPictures(const Source& source) const {
  if (info().needs_mask && !(source.defined() && source.mask.defined())) {
    throw RequestError("this model paints into pictures: it needs a source picture and a mask");
  }
  if (info().needs_depth != source.depth.defined() || (info().needs_depth && !source.defined())) {
    throw RequestError(info().needs_depth ? "this model needs a source picture and its depth map"
                                          : "this model takes no depth map");
  }
  if (source.mask.defined() && !source.defined()) throw RequestError("a mask needs a source picture");
}

Start Pipeline::Begin(const Source& source, const PictureRequest&, at::IntArrayRef shape,
                      NoiseSource& noise) const {
  ExpectPictures(source);
  const bool sees_mask = info().needs_mask;
  Start start;
  // At full strength nothing of the masked picture is in the noise.
  start.from_noise = !source.defined() || (source.mask.defined() && source.strength == 1);
  if (source.defined() && !(start.from_noise && sees_mask)) start.x0 = Encode(source.picture, noise);
  start.noise = noise.Draw(shape).to(device());
  if (source.depth.defined()) start.channels = DepthChannel(source.depth, shape);
  if (!source.mask.defined()) return start;

  const at::Tensor mask = (source.mask >= 0.5).to(source.picture.options());
  // Grey, the middle of the colours, where it is to be painted. Encoded even where the network does not see
  // it: the draw counts.
  const at::Tensor masked =
      Encode(at::where(mask > 0.5, at::full_like(source.picture, 0.5), source.picture), noise);
  if (sees_mask) {
    start.channels =
        at::cat({at::upsample_nearest2d(mask.unsqueeze(0), {shape[1], shape[2]}).squeeze(0), masked});
  } else {
    start.kept = source.KeptLatents(shape);
  }
  return start;
}

}  // namespace mind::diffusion
