#include "worker/diffusion/models/unet_blocks.h"

#include <algorithm>

namespace mind::diffusion {
namespace {

constexpr int64_t kPyramidChannels = 3;

// The residual block that halves or doubles, of a level made of blocks like `resnet`.
ResnetOptions ResizingResnet(ResnetOptions resnet, Transition transition, Resizing resizing) {
  resnet.resizing = resizing;
  if (transition == Transition::kPyramid) {
    resnet.filter = Filter::kBinomial;
    resnet.shortcut = true;
  }
  return resnet;
}

}  // namespace

DownBlock::DownBlock(const Scope& scope, const Options& options, const MixerFactory& mixer) {
  for (int64_t i = 0; i < options.layers; ++i) {
    const size_t index = static_cast<size_t>(i);
    resnets_.emplace_back(scope / "resnets" / index, i == 0 ? options.in : options.out, options.out,
                          options.resnet);
    if (mixer) mixers_.push_back(mixer(scope / "attentions" / index, index));
  }
  const ResnetOptions halving = ResizingResnet(options.resnet, options.transition, Resizing::kHalve);
  switch (options.transition) {
    case Transition::kNone:
      break;
    case Transition::kConvolution:
      downsample_.emplace(scope / "downsamplers" / 0, options.out, options.downsample_padding);
      break;
    case Transition::kResnet:
      resnet_down_.emplace(scope / "downsamplers" / 0, options.out, options.out, halving);
      break;
    case Transition::kPyramid:
      resnet_down_.emplace(scope / "resnet_down", options.out, options.out, halving);
      pyramid_in_.emplace(scope / "skip_conv", kPyramidChannels, options.out, k1x1);
      break;
  }
}

at::Tensor DownBlock::operator()(at::Tensor x, const Signals& signals, Carried* carried,
                                 const at::Tensor& feature) const {
  for (size_t i = 0; i < resnets_.size(); ++i) {
    x = resnets_[i](x, signals);
    if (!mixers_.empty()) x = (*mixers_[i])(x, signals);
    if (!mixers_.empty() && feature.defined() && i + 1 == resnets_.size()) x = x + feature;
    if (carried != nullptr) carried->skips.push_back(x);
  }
  const bool goes_on = downsample_ || resnet_down_;
  if (goes_on) {
    x = downsample_ ? (*downsample_)(x) : (*resnet_down_)(x, signals);
    if (pyramid_in_) {
      carried->pyramid = Halved(carried->pyramid, Filter::kBinomial);
      x = (*pyramid_in_)(carried->pyramid) + x;
    }
    if (carried != nullptr) carried->skips.push_back(x);
  }
  if (mixers_.empty() && feature.defined()) {
    x = x + feature;
    if (carried != nullptr) carried->skips.back() = x;
  }
  return x;
}

MiddleBlock::MiddleBlock(const Scope& scope, int64_t channels, const ResnetOptions& resnet,
                         const MixerFactory& mixer, int64_t resnets)
    : first_(scope / "resnets" / 0, channels, channels, resnet) {
  if (resnets > 1) second_.emplace(scope / "resnets" / 1, channels, channels, resnet);
  if (mixer) mixer_ = mixer(scope / "attentions" / 0, 0);
}

at::Tensor MiddleBlock::operator()(const at::Tensor& x, const Signals& signals) const {
  at::Tensor h = first_(x, signals);
  if (mixer_) h = (*mixer_)(h, signals);
  return second_ ? (*second_)(h, signals) : h;
}

UpBlock::UpBlock(const Scope& scope, const Options& options, const MixerFactory& mixer)
    : pyramid_(options.pyramid) {
  for (size_t i = 0; i < options.in.size(); ++i) {
    ResnetOptions resnet = options.resnet;
    // Where there is attention the reference divides only the skip connection's channels by four.
    if (resnet.groups == 0 && mixer) {
      resnet.groups = std::min<int64_t>(options.in[i] + options.skip[i] / 4, 32);
      resnet.groups_out = std::min<int64_t>(options.out / 4, 32);
    }
    resnets_.emplace_back(scope / "resnets" / i, options.in[i] + options.skip[i], options.out, resnet);
    if (mixer && (!pyramid_ || i == 0)) mixers_.push_back(mixer(scope / "attentions" / i, i));
  }
  const ResnetOptions doubling = ResizingResnet(options.resnet, options.transition, Resizing::kDouble);
  switch (options.transition) {
    case Transition::kNone:
      break;
    case Transition::kConvolution:
      upsample_.emplace(scope / "upsamplers" / 0, options.out);
      break;
    case Transition::kResnet:
      resnet_up_.emplace(scope / "upsamplers" / 0, options.out, options.out, doubling);
      break;
    case Transition::kPyramid:
      resnet_up_.emplace(scope / "resnet_up", options.out, options.out, doubling);
      pyramid_norm_.emplace(scope / "skip_norm", std::min<int64_t>(options.out / 4, 32), options.out,
                            options.resnet.epsilon);
      pyramid_out_.emplace(scope / "skip_conv", options.out, kPyramidChannels);
      break;
  }
}

void UpBlock::GrowPyramid(const at::Tensor& x, Carried& carried) const {
  if (carried.pyramid.defined()) carried.pyramid = Doubled(carried.pyramid, Filter::kBinomial);
  if (!pyramid_out_) return;
  // In float32, as the network's answer, which it grows to.
  const at::Tensor detail = (*pyramid_out_)(pyramid_norm_->Activated(x, Activation::kSilu)).to(at::kFloat);
  carried.pyramid = carried.pyramid.defined() ? carried.pyramid + detail : detail;
}

at::Tensor UpBlock::operator()(at::Tensor x, const Signals& signals, Carried* carried) const {
  for (size_t i = 0; i < resnets_.size(); ++i) {
    if (carried != nullptr) {
      x = at::cat({x, carried->skips.back()}, 1);
      carried->skips.pop_back();
    }
    x = resnets_[i](x, signals);
    if (!mixers_.empty() && !pyramid_) x = (*mixers_[i])(x, signals);
  }
  if (pyramid_) {
    if (!mixers_.empty()) x = (*mixers_.front())(x, signals);
    GrowPyramid(x, *carried);
  }
  if (resnet_up_) return (*resnet_up_)(x, signals);
  if (!upsample_) return x;
  return carried != nullptr ? (*upsample_)(x, carried->skips.back().sizes().slice(2)) : (*upsample_)(x);
}

}  // namespace mind::diffusion
