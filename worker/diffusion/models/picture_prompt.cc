#include "worker/diffusion/models/picture_prompt.h"

#include <cmath>

#include "worker/diffusion/error.h"
#include "worker/diffusion/models/attention.h"
#include "worker/diffusion/models/picture_resampler.h"
#include "worker/diffusion/models/transformer_paths.h"

namespace mind::diffusion {
namespace {

constexpr char kProjection[] = "image_proj";

// Paths in the order in which the files number their layers: the way down, the way up, the middle.
std::vector<std::string> NumberedLayers(const UNetConfig& unet) {
  std::vector<std::string> layers, middle;
  for (const std::string& path : CrossAttentions(unet))
    (path.starts_with("mid") ? middle : layers).push_back(path);
  layers.insert(layers.end(), middle.begin(), middle.end());
  return layers;
}

int64_t Rows(const NamedTensors& stored, const std::string& name) {
  return stored.tensors.at(name).size(0);
}

}  // namespace

PicturePrompter::PicturePrompter(NamedTensors stored, const std::string& file,
                                 FileParameters::Options options, const UNetConfig& unet,
                                 const ClipVisionConfig& vision) {
  const NamedTensors shapes = stored;
  FileParameters weights(std::move(stored), options);
  const Scope scope(weights);
  TakeProjection(scope / kProjection, shapes, vision, file);
  if (width_ != unet.context_width) {
    throw ModelError(file + ": makes tokens of " + std::to_string(width_) + " numbers, the UNet's have " +
                     std::to_string(unet.context_width));
  }
  for (const std::string& layer : NumberedLayers(unet)) {
    // Self-attentions have the even numbers.
    const Scope own = scope / "ip_adapter" / (2 * keys_values_.size() + 1);
    const std::string name = "ip_adapter." + std::to_string(2 * keys_values_.size() + 1) + ".to_k_ip.weight";
    if (!shapes.Has(name)) throw ModelError(file + ": no " + name + ": it was made for another UNet");
    const int64_t channels = Rows(shapes, name);
    layers_[layer] = keys_values_.size();
    keys_values_.push_back({Linear(own / "to_k_ip", width_, channels, /*bias=*/false),
                            Linear(own / "to_v_ip", width_, channels, /*bias=*/false)});
  }
  weights.ExpectAllTaken();
}

void PicturePrompter::TakeProjection(const Scope& scope, const NamedTensors& stored,
                                     const ClipVisionConfig& vision, const std::string& file) {
  const std::string prefix = std::string(kProjection) + ".";
  if (stored.Has(prefix + "latents")) {
    const auto resampler = std::make_shared<const PictureResampler>(scope, stored, prefix, vision.width);
    width_ = resampler->width();
    project_ = [resampler](const at::Tensor& states) { return (*resampler)(states); };
  } else if (stored.Has(prefix + "proj.3.weight")) {
    width_ = Rows(stored, prefix + "proj.3.weight");
    const auto in = std::make_shared<const Linear>(scope / "proj.0", vision.width, vision.width);
    const auto out = std::make_shared<const Linear>(scope / "proj.2", vision.width, width_);
    const auto norm = std::make_shared<const LayerNorm>(scope / "proj.3", width_);
    project_ = [=](const at::Tensor& states) { return (*norm)((*out)(at::gelu((*in)(states)))); };
  } else if (stored.Has(prefix + "proj.weight") && stored.Has(prefix + "norm.weight")) {
    sees_states_ = false;
    width_ = Rows(stored, prefix + "norm.weight");
    const int64_t numbers = Rows(stored, prefix + "proj.weight");
    if (numbers % width_ != 0)
      throw ModelError(file + ": the rows of image_proj.proj.weight are not whole tokens of " +
                       std::to_string(width_));
    const auto in = std::make_shared<const Linear>(scope / "proj", vision.projection, numbers);
    const auto norm = std::make_shared<const LayerNorm>(scope / "norm", width_);
    project_ = [in, norm, width = width_](const at::Tensor& embeddings) {
      return (*norm)((*in)(embeddings).reshape({embeddings.size(0), -1, width}));
    };
  } else {
    throw UnsupportedError(file + ": not an IP-Adapter of a kind that is supported: plain, plus, full-face");
  }
}

at::Tensor PicturePrompter::Tokens(const PictureStates& pictures) const {
  return project_(sees_states_ ? pictures.layers[pictures.layers.size() - 2] : pictures.embedding);
}

at::Tensor PicturePrompter::NoTokens(const PictureStates& blank) const {
  return sees_states_ ? Tokens(blank) : project_(at::zeros_like(blank.embedding));
}

at::Tensor PicturePrompter::Added(const std::string& layer, const at::Tensor& queries, int64_t heads,
                                  const PicturePrompt& prompt) const {
  const size_t number = layers_.at(layer);
  const KeysValues& own = keys_values_[number];
  // [B, pictures], in this layer.
  const at::Tensor weights = prompt.weights.select(2, static_cast<int64_t>(number)).to(queries.scalar_type());
  const at::Tensor tokens = prompt.tokens.to(queries.scalar_type());  // [B, pictures, N, width]
  if (!prompt.masks.defined()) {
    const at::Tensor all = tokens.flatten(1, 2);
    return MultiHeadAttention(queries, own.keys(all), own.values(all), heads) *
           weights.narrow(1, 0, 1).unsqueeze(-1);
  }
  at::Tensor sum = at::zeros_like(queries);
  for (int64_t i = 0; i < tokens.size(1); ++i) {
    const at::Tensor one = tokens.select(1, i);
    const at::Tensor seen = MultiHeadAttention(queries, own.keys(one), own.values(one), heads);
    const at::Tensor mask = MaskOfQueries(prompt.masks.narrow(1, i, 1), queries.size(1));
    sum = sum + seen * mask.to(queries.scalar_type()) * weights.narrow(1, i, 1).unsqueeze(-1);
  }
  return sum;
}

at::Tensor MaskOfQueries(const at::Tensor& mask, int64_t queries) {
  const double ratio = static_cast<double>(mask.size(3)) / static_cast<double>(mask.size(2));
  auto height = static_cast<int64_t>(std::sqrt(static_cast<double>(queries) / ratio));
  height += queries % std::max<int64_t>(height, 1) != 0 ? 1 : 0;
  height = std::max<int64_t>(height, 1);
  const int64_t width = std::max<int64_t>(queries / height, 1);
  at::Tensor small = at::upsample_bicubic2d(mask, {height, width}, /*align_corners=*/false).flatten(1);
  if (small.size(1) < queries) small = at::constant_pad_nd(small, {0, queries - small.size(1)});
  return small.narrow(1, 0, queries).unsqueeze(-1);
}

}  // namespace mind::diffusion
