#include "worker/diffusion/models/tiny_autoencoder.h"

#include "worker/diffusion/models/products.h"

namespace mind::diffusion {
namespace {

constexpr double kLatentRange = 3;  // latents are squashed into ±this before decoding
constexpr int64_t kPoolFactor = 4;
constexpr int64_t kPoolGroups = 4;

std::vector<int64_t> BlockCounts(const Config& config, const std::string& key,
                                 const std::vector<int64_t>& fallback) {
  if (config.Unset(key)) return fallback;
  const std::vector<int64_t> counts = config.RequiredInts(key);
  if (counts.empty() || counts.size() > 8) config.Unsupported(key, "1 to 8 counts");
  for (const int64_t count : counts) {
    if (count < 0 || count > 64) config.Unsupported(key, "counts of 0 to 64");
  }
  return counts;
}

}  // namespace

TinyAutoencoderConfig TinyAutoencoderConfig::From(const Config& config) {
  if (config.String("_class_name", "AutoencoderTiny") != "AutoencoderTiny")
    config.Unsupported("_class_name", "AutoencoderTiny");
  TinyAutoencoderConfig c;
  c.in_channels = config.Int("in_channels", 3);
  c.out_channels = config.Int("out_channels", 3);
  c.latent_channels = config.Int("latent_channels", 4);
  c.encoder_blocks = BlockCounts(config, "num_encoder_blocks", c.encoder_blocks);
  c.decoder_blocks = BlockCounts(config, "num_decoder_blocks", c.decoder_blocks);
  c.scaling_factor = config.Double("scaling_factor", 1);
  bool first = true;
  for (const char* key : {"encoder_block_out_channels", "decoder_block_out_channels"}) {
    if (config.Unset(key)) continue;
    for (const int64_t width : config.RequiredInts(key)) {
      if (first) c.width = width;
      first = false;
      if (width != c.width || width < 1) config.Unsupported(key, "one width for all levels");
    }
  }
  if (config.String("act_fn", "relu") != "relu") config.Unsupported("act_fn", "relu");
  if (config.String("upsample_fn", "nearest") != "nearest") config.Unsupported("upsample_fn", "nearest");
  if (config.Int("upsampling_scaling_factor", 2) != 2) config.Unsupported("upsampling_scaling_factor", "2");
  return c;
}

TinyBlock::TinyBlock(const Scope& scope, int64_t width)
    : first_(scope / "conv.0", width, width),
      second_(scope / "conv.2", width, width),
      third_(scope / "conv.4", width, width) {
  const Scope pool = scope / "pool";
  if (!pool.Has("0.weight")) return;
  const int64_t wide = kPoolFactor * width;
  pool_in_ = pool.Take("0.weight", {wide, width, 1, 1});
  pool_norm_.emplace(pool / 1, kPoolGroups, wide, 1e-5);
  pool_out_ = pool.Take("3.weight", {width, wide, 1, 1});
}

at::Tensor TinyBlock::operator()(const at::Tensor& in) const {
  at::Tensor x = in;
  if (pool_norm_) x = x + ConvProduct(at::relu((*pool_norm_)(ConvProduct(x, pool_in_, {}))), pool_out_, {});
  return at::relu(third_(at::relu(second_(at::relu(first_(x))))) + x);
}

TinyAutoencoder::TinyAutoencoder(const Scope& scope, const TinyAutoencoderConfig& config) : config_(config) {
  const int64_t width = config.width;
  const auto conv = [width](const Scope& layer, int64_t in, int64_t out, bool bias) {
    Stage stage;
    stage.weight = layer.Take("weight", {out, in, 3, 3});
    if (bias) stage.bias = layer.Take("bias", {out});
    return stage;
  };
  const Scope encoder = scope / "encoder.layers", decoder = scope / "decoder.layers";
  if (encoder.Has("0.weight")) {
    size_t layer = 0;
    for (size_t i = 0; i < config.encoder_blocks.size(); ++i) {
      encoder_.push_back(conv(encoder / layer++, i == 0 ? config.in_channels : width, width, i == 0));
      for (int64_t block = 0; block < config.encoder_blocks[i]; ++block) {
        encoder_.back().blocks.emplace_back(encoder / layer++, width);
      }
    }
    encoder_out_.emplace(encoder / layer, width, config.latent_channels);
  }
  // The layers of the reference count its activations and resizings too.
  decoder_in_.emplace(decoder / 0, config.latent_channels, width);
  size_t layer = 2;
  for (size_t i = 0; i < config.decoder_blocks.size(); ++i) {
    const bool last = i + 1 == config.decoder_blocks.size();
    std::vector<TinyBlock> blocks;
    for (int64_t block = 0; block < config.decoder_blocks[i]; ++block) {
      blocks.emplace_back(decoder / layer++, width);
    }
    if (!last) ++layer;
    decoder_.push_back(conv(decoder / layer++, width, last ? config.out_channels : width, last));
    decoder_.back().blocks = std::move(blocks);
  }
}

at::Tensor TinyAutoencoder::Encode(const at::Tensor& image) const {
  at::Tensor x = (image + 1) / 2;
  for (size_t i = 0; i < encoder_.size(); ++i) {
    const Stage& stage = encoder_[i];
    x = ConvProduct(InTypeOf(stage.weight, x), stage.weight, stage.bias, /*stride=*/i == 0 ? 1 : 2,
                    /*padding=*/1);
    for (const TinyBlock& block : stage.blocks) x = block(x);
  }
  return (*encoder_out_)(x).to(at::kFloat);
}

at::Tensor TinyAutoencoder::Decode(const at::Tensor& latents) const {
  at::Tensor x = at::relu((*decoder_in_)(at::tanh(latents / kLatentRange) * kLatentRange));
  for (size_t i = 0; i < decoder_.size(); ++i) {
    const Stage& stage = decoder_[i];
    for (const TinyBlock& block : stage.blocks) x = block(x);
    if (i + 1 < decoder_.size()) x = at::upsample_nearest2d(x, {2 * x.size(2), 2 * x.size(3)});
    x = ConvProduct(x, stage.weight, stage.bias, /*stride=*/1, /*padding=*/1);
  }
  return x.to(at::kFloat) * 2 - 1;
}

}  // namespace mind::diffusion
