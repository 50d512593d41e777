#include "worker/training/reconstruction.h"

#include "worker/diffusion/engine/picture.h"
#include "worker/diffusion/error.h"
#include "worker/training/sample_sheet.h"

namespace mind::training {
namespace {

constexpr int64_t kShownPictures = 8;

}  // namespace

at::Tensor SampleLatents(const at::Tensor& mean, const at::Tensor& log_variance, StepRandom& random) {
  return mean + (log_variance / 2).exp() * random.Normal(mean.sizes()).to(mean.device());
}

void ExpectWholeLatents(const CaptionedSet& set, const diffusion::AutoencoderConfig& config) {
  const int64_t reduction = config.reduction();
  if (set.pictures.size(2) % reduction != 0 || set.pictures.size(3) % reduction != 0)
    throw diffusion::ModelError("the pictures' height and width must be multiples of " +
                                std::to_string(reduction));
}

std::string DrawReconstructions(const diffusion::AutoencoderKl& autoencoder, const CaptionedSet& set,
                                at::Device device) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> shown;
  for (int64_t row = 0; row < 2; ++row) {
    std::vector<int64_t> examples;
    // Spread over all of them.
    for (int64_t i = 0; i < kShownPictures; ++i)
      examples.push_back((row * kShownPictures + i) * set.count() / (2 * kShownPictures));
    const at::Tensor x = set.OnWhite(examples).to(device);
    const at::Tensor y = autoencoder.Decode(autoencoder.EncodeMoments(x).chunk(2, 1)[0]);
    for (const at::Tensor& pictures : {x, y}) {
      for (const at::Tensor& picture : pictures.unbind(0))
        shown.push_back(diffusion::ToBytes(picture / 2 + 0.5));
    }
  }
  return EncodeSheet(std::move(shown), kShownPictures);
}

}  // namespace mind::training
