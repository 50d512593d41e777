#include "worker/diffusion/models/unet_blocks.h"

namespace mind::diffusion {

DownBlock::DownBlock(const Scope& scope, const Options& options, const MixerFactory& mixer) {
  for (int64_t i = 0; i < options.layers; ++i) {
    const size_t index = static_cast<size_t>(i);
    resnets_.emplace_back(scope / "resnets" / index, i == 0 ? options.in : options.out, options.out,
                          options.resnet);
    if (mixer) mixers_.push_back(mixer(scope / "attentions" / index));
  }
  if (options.downsample) {
    downsample_.emplace(scope / "downsamplers" / 0, options.out, options.downsample_padding);
  }
}

at::Tensor DownBlock::operator()(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                                 std::vector<at::Tensor>* skips) const {
  for (size_t i = 0; i < resnets_.size(); ++i) {
    x = resnets_[i](x, time);
    if (!mixers_.empty()) x = (*mixers_[i])(x, context);
    if (skips != nullptr) skips->push_back(x);
  }
  if (downsample_) {
    x = (*downsample_)(x);
    if (skips != nullptr) skips->push_back(x);
  }
  return x;
}

MiddleBlock::MiddleBlock(const Scope& scope, int64_t channels, const ResnetOptions& resnet,
                         const MixerFactory& mixer)
    : first_(scope / "resnets" / 0, channels, channels, resnet),
      second_(scope / "resnets" / 1, channels, channels, resnet) {
  if (mixer) mixer_ = mixer(scope / "attentions" / 0);
}

at::Tensor MiddleBlock::operator()(const at::Tensor& x, const at::Tensor& time,
                                   const at::Tensor& context) const {
  const at::Tensor h = first_(x, time);
  return second_(mixer_ ? (*mixer_)(h, context) : h, time);
}

UpBlock::UpBlock(const Scope& scope, const Options& options, const MixerFactory& mixer) {
  for (size_t i = 0; i < options.in.size(); ++i) {
    resnets_.emplace_back(scope / "resnets" / i, options.in[i], options.out, options.resnet);
    if (mixer) mixers_.push_back(mixer(scope / "attentions" / i));
  }
  if (options.upsample) upsample_.emplace(scope / "upsamplers" / 0, options.out);
}

at::Tensor UpBlock::operator()(at::Tensor x, const at::Tensor& time, const at::Tensor& context,
                               std::vector<at::Tensor>* skips) const {
  for (size_t i = 0; i < resnets_.size(); ++i) {
    if (skips != nullptr) {
      x = at::cat({x, skips->back()}, 1);
      skips->pop_back();
    }
    x = resnets_[i](x, time);
    if (!mixers_.empty()) x = (*mixers_[i])(x, context);
  }
  if (!upsample_) return x;
  return skips != nullptr ? (*upsample_)(x, skips->back().sizes().slice(2)) : (*upsample_)(x);
}

}  // namespace mind::diffusion
