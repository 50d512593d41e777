#include "worker/diffusion/pipelines/tiled_decode.h"

#include <gtest/gtest.h>

#include "worker/diffusion/pipelines/model_directory.h"

namespace mind::diffusion {
namespace {

TEST(TiledDecode, OnlyWhereMemoryAsksForIt) {
  AutoencoderConfig stable_diffusion;
  stable_diffusion.channels = {128, 256, 512, 512};
  EXPECT_FALSE(NeedsTiles(stable_diffusion, 128, 128));  // 1024x1024
  EXPECT_TRUE(NeedsTiles(stable_diffusion, 256, 256));   // 2048x2048
  AutoencoderConfig small;
  small.channels = {16, 48, 96};
  EXPECT_FALSE(NeedsTiles(small, 512, 512));  // 2048x2048
}

// A decoder that looks at nothing but its own latent must not show where tiles meet.
TEST(TiledDecode, TilesOfALocalDecoderMakeTheWhole) {
  const auto decode = [](const at::Tensor& latents) {
    return at::upsample_nearest2d(latents.slice(1, 0, 3), {latents.size(2) * 4, latents.size(3) * 4});
  };
  for (const auto& [height, width] :
       {std::pair<int64_t, int64_t>{40, 40}, {8, 8}, {9, 31}, {12, 13}, {6, 50}}) {
    const at::Tensor latents = at::randn({2, 4, height, width});
    const at::Tensor tiled = DecodeInTiles(latents, 8, decode);
    ASSERT_EQ(tiled.sizes(), (at::IntArrayRef{2, 3, 4 * height, 4 * width}));
    EXPECT_TRUE(at::allclose(tiled, decode(latents), 1e-5, 1e-5)) << height << "x" << width;
  }
}

TEST(TiledDecode, ARealDecodersTilesComeCloseToTheWhole) {
  const c10::InferenceMode inference;
  const std::string folder = std::string(MIND_MODELS) + "/emoji/vae";
  FileParameters weights(ReadComponent(folder), {});
  const AutoencoderKl autoencoder(Scope(weights),
                                  AutoencoderConfig::From(Config::FromFile(folder + "/config.json")));
  // Four pictures side by side, encoded: latents as they occur.
  const at::Tensor ramp = at::linspace(-1, 1, 128).expand({1, 3, 128, 128});
  const at::Tensor latents =
      autoencoder.EncodeMoments(at::cat({ramp, ramp.transpose(2, 3)}, 3)).chunk(2, 1)[0];
  const auto decode = [&](const at::Tensor& part) { return autoencoder.Decode(part); };
  const at::Tensor whole = decode(latents), tiled = DecodeInTiles(latents, 32, decode);
  EXPECT_EQ(whole.sizes(), tiled.sizes());
  EXPECT_LT((whole - tiled).abs().mean().item<double>(), 0.05);
}

}  // namespace
}  // namespace mind::diffusion
