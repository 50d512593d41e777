#include "worker/diffusion/pipelines/decoded_scorer.h"

#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "worker/diffusion/models/wrapping.h"
#include "worker/diffusion/pipelines/tiles.h"

namespace mind::diffusion {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The autoencoder's decoding, of which nothing is kept: for the gradient it is done again.
class Redecoded : public torch::autograd::Function<Redecoded> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& latents,
                            const AutoencoderKl* autoencoder) {
    context->save_for_backward({latents});
    context->saved_data["autoencoder"] = reinterpret_cast<int64_t>(autoencoder);
    // The gradient may be asked for on another thread, a device's.
    context->saved_data["wraps"] = WrapScope::active();
    return autoencoder->Decode(latents);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto* const autoencoder =
        reinterpret_cast<const AutoencoderKl*>(context->saved_data["autoencoder"].toInt());
    const WrapScope wrapping(context->saved_data["wraps"].toBool());
    const at::AutoGradMode again(true);
    const at::Tensor latents = context->get_saved_variables()[0].detach().clone().set_requires_grad(true);
    autoencoder->Decode(latents).backward(gradients[0]);
    return {latents.grad(), at::Tensor()};
  }
};

}  // namespace

DecodedScorer::DecodedScorer(std::unique_ptr<const Scorer> scorer,
                             std::unique_ptr<const AutoencoderKl> autoencoder, int64_t tile)
    : scorer_(std::move(scorer)), autoencoder_(std::move(autoencoder)), tile_(tile) {}

at::Tensor DecodedScorer::Decoded(const at::Tensor& latents) const {
  const at::Tensor unscaled = autoencoder_->config().Unscaled(latents);
  if (latents.size(2) <= tile_ && latents.size(3) <= tile_) return autoencoder_->Decode(unscaled);
  return InTiles(unscaled, tile_,
                 [this](const at::Tensor& part) { return Redecoded::apply(part, autoencoder_.get()); });
}

at::Tensor DecodedScorer::Score(const DenoiserInput& input) const {
  return scorer_->Score({.sample = Decoded(input.sample), .timestep = input.timestep, .told = input.told});
}

}  // namespace mind::diffusion
