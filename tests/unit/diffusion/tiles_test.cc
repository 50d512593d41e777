#include "worker/diffusion/pipelines/tiles.h"

#include <gtest/gtest.h>

#include "worker/diffusion/pipelines/model_directory.h"

namespace mind::diffusion {
namespace {

TEST(Tiles, OnlyWhereMemoryAsksForIt) {
  AutoencoderConfig stable_diffusion;
  stable_diffusion.channels = {128, 256, 512, 512};
  EXPECT_FALSE(NeedsTiles(stable_diffusion, 128, 128));  // 1024x1024
  EXPECT_TRUE(NeedsTiles(stable_diffusion, 256, 256));   // 2048x2048
  AutoencoderConfig small;
  small.channels = {16, 48, 96};
  small.middle_attention = false;
  EXPECT_FALSE(NeedsTiles(small, 512, 512));  // 2048x2048
  small.middle_attention = true;
  EXPECT_TRUE(NeedsTiles(small, 512, 512));
  AutoencoderConfig upscaler;  // of the x4 upscaler: 1440x1440 are 129600 tokens in the middle
  upscaler.channels = {128, 256, 512};
  EXPECT_FALSE(NeedsTiles(upscaler, 128, 128));
  EXPECT_TRUE(NeedsTiles(upscaler, 360, 360));
}

// A decoder that looks at nothing but its own latent must not show where tiles meet.
TEST(Tiles, TilesOfALocalDecoderMakeTheWhole) {
  const auto decode = [](const at::Tensor& latents) {
    return at::upsample_nearest2d(latents.slice(1, 0, 3), {latents.size(2) * 4, latents.size(3) * 4});
  };
  for (const auto& [height, width] :
       {std::pair<int64_t, int64_t>{40, 40}, {8, 8}, {9, 31}, {12, 13}, {6, 50}}) {
    const at::Tensor latents = at::randn({2, 4, height, width});
    const at::Tensor tiled = InTiles(latents, 8, decode);
    ASSERT_EQ(tiled.sizes(), (at::IntArrayRef{2, 3, 4 * height, 4 * width}));
    EXPECT_TRUE(at::allclose(tiled, decode(latents), 1e-5, 1e-5)) << height << "x" << width;
  }
}

// Likewise on the way in.
TEST(Tiles, TilesOfALocalEncoderMakeTheWhole) {
  const auto encode = [](const at::Tensor& picture) { return at::avg_pool2d(picture, {4, 4}); };
  for (const auto& [height, width] :
       {std::pair<int64_t, int64_t>{160, 160}, {32, 32}, {36, 124}, {24, 200}}) {
    const at::Tensor picture = at::randn({2, 3, height, width});
    const at::Tensor tiled = InTiles(picture, 32, encode);
    ASSERT_EQ(tiled.sizes(), (at::IntArrayRef{2, 3, height / 4, width / 4}));
    EXPECT_TRUE(at::allclose(tiled, encode(picture), 1e-5, 1e-5)) << height << "x" << width;
  }
}

class TilesOfARealAutoencoder : public testing::Test {
 protected:
  const std::string folder_ = MIND_MODELS "/emoji/vae";
  FileParameters weights_{ReadComponent(folder_), {}};
  const AutoencoderKl autoencoder_{Scope(weights_),
                                   AutoencoderConfig::From(Config::FromFile(folder_ + "/config.json"))};
  const int64_t reduction_ = autoencoder_.config().reduction();

  static at::Tensor Picture() {
    const at::Tensor ramp = at::linspace(-1, 1, 128).expand({1, 3, 128, 128});
    return at::cat({ramp, ramp.transpose(2, 3)}, 3);
  }
  at::Tensor Means(const at::Tensor& picture) const {
    return autoencoder_.EncodeMoments(picture).chunk(2, 1)[0];
  }

  // The most that neighbours differ across any line of pixels, on average along it.
  static double Edge(const at::Tensor& picture, int64_t dim) {
    const int64_t last = picture.size(dim) - 1;
    const at::Tensor steps = picture.narrow(dim, 1, last) - picture.narrow(dim, 0, last);
    return steps.abs()
        .mean(dim == 2 ? std::vector<int64_t>{0, 1, 3} : std::vector<int64_t>{0, 1, 2})
        .max()
        .item<double>();
  }
};

// Drift between tiles is theirs by nature, an edge is not: no line of the tiled picture stands out more than
// the whole one's most prominent does.
TEST_F(TilesOfARealAutoencoder, ADecodersTilesShowNoSeam) {
  const c10::InferenceMode inference;
  const at::Tensor latents = Means(Picture());
  const auto decode = [&](const at::Tensor& part) { return autoencoder_.Decode(part); };
  const at::Tensor whole = decode(latents), tiled = InTiles(latents, 32, decode);
  ASSERT_EQ(whole.sizes(), tiled.sizes());
  EXPECT_LT((whole - tiled).abs().mean().item<double>(), 0.05);
  for (const int64_t dim : {2, 3}) EXPECT_LT(Edge(tiled, dim), 1.2 * Edge(whole, dim) + 0.01) << dim;
}

TEST_F(TilesOfARealAutoencoder, AnEncodersTilesComeCloseToTheWhole) {
  const c10::InferenceMode inference;
  const at::Tensor whole = Means(Picture());
  const at::Tensor tiled =
      InTiles(Picture(), 32 * reduction_, [&](const at::Tensor& part) { return Means(part); });
  ASSERT_EQ(whole.sizes(), tiled.sizes());
  EXPECT_LT((whole - tiled).abs().mean().item<double>(), 0.1 * whole.abs().mean().item<double>());
}

}  // namespace
}  // namespace mind::diffusion
