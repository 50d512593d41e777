// Pictures without edges.
#include "worker/diffusion/models/wrapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/diffusion/engine_rig.h"
#include "tests/unit/diffusion/made_alone.h"
#include "worker/diffusion/engine/row_executor.h"
#include "worker/diffusion/engine/step_batch.h"
#include "worker/diffusion/pipelines/tiles.h"
#include "worker/diffusion/samplers/noise_source.h"

namespace mind::diffusion {
namespace {

// Moved on by so many lines each way, those that fall off coming in across.
at::Tensor Rolled(const at::Tensor& map, int64_t down, int64_t right) {
  return at::roll(map, {down, right}, {-2, -1});
}

TEST(Wrapping, LinesComeFromAcross) {
  const at::Tensor x = at::arange(12, at::kFloat).view({1, 1, 3, 4});
  const at::Tensor wide = Wrapped(x, 1);
  EXPECT_EQ(wide.sizes(), at::IntArrayRef({1, 1, 5, 6}));
  EXPECT_TRUE(at::equal(wide.narrow(2, 1, 3).narrow(3, 1, 4), x));
  EXPECT_EQ(wide[0][0][0][0].item<float>(), 11);
  EXPECT_EQ(wide[0][0][4][5].item<float>(), 0);
  EXPECT_EQ(wide[0][0][1][0].item<float>(), 3);
}

TEST(Wrapping, TheInnermostScopeCounts) {
  EXPECT_FALSE(WrapScope::active());
  {
    const WrapScope outer(true);
    EXPECT_TRUE(WrapScope::active());
    {
      const WrapScope inner(false);
      EXPECT_FALSE(WrapScope::active());
    }
    EXPECT_TRUE(WrapScope::active());
  }
  EXPECT_FALSE(WrapScope::active());
}

class WrappingTest : public EngineRig {
 protected:
  static void SetUpTestSuite() {
    EngineRig::SetUpTestSuite();
    pipeline_ = models_->Get("sd1");
  }
  static TrajectoryRequest Seamless() {
    TrajectoryRequest request = Request("euler", 4);
    request.tiling = true;
    return request;
  }

  inline static std::shared_ptr<const Pipeline> pipeline_;
};

// A network without edges does not know where its map begins: by multiples of what it reduces by.
TEST_F(WrappingTest, ADenoiserMovesWithItsMap) {
  const c10::InferenceMode inference;
  const auto executor = MakeSideBySideExecutor(1);
  EvaluationRow row{.sample = at::randn({4, 16, 16}), .timestep = 300};
  PictureRequest picture;
  picture.prompt = "a cat";
  row.told = pipeline_->Condition(picture, {4, 16, 16}).rows.back();
  EvaluationRow moved = row;
  moved.sample = Rolled(row.sample, 8, 8);
  const auto difference = [&] {
    const auto results = executor->Run(pipeline_->denoiser(), {row, moved});
    return (Rolled(results[0].output, 8, 8) - results[1].output).abs().max().item<double>();
  };
  const double with_edges = difference();
  row.wraps = moved.wraps = true;
  EXPECT_LT(difference(), 1e-4);
  EXPECT_GT(with_edges, 1e-2);
}

TEST_F(WrappingTest, AnAutoencoderMovesWithItsMap) {
  const c10::InferenceMode inference;
  const at::Tensor latent = at::randn({4, 16, 16});
  const auto difference = [&] {
    const at::Tensor picture = pipeline_->Decode(latent), moved = pipeline_->Decode(Rolled(latent, 8, 8));
    return (Rolled(picture, picture.size(1) / 2, picture.size(2) / 2) - moved).abs().max().item<double>();
  };
  EXPECT_GT(difference(), 1e-3);
  const WrapScope wrapping(true);
  EXPECT_LT(difference(), 1e-4);
}

TEST(Wrapping, OfTilesTheWholeWraps) {
  const at::Tensor x = SeededNoise(1).Draw({1, 3, 96, 64});
  const auto blur = [](const at::Tensor& part) {
    const at::Tensor wide = WrapScope::active() ? Wrapped(part, 1) : at::constant_pad_nd(part, {1, 1, 1, 1});
    return at::avg_pool2d(wide, {3, 3}, {1, 1});
  };
  const WrapScope wrapping(true);
  const at::Tensor tiles = InTiles(x, 32, blur);
  ASSERT_EQ(tiles.sizes(), x.sizes());
  // But for the lines where a tile ends, whose zeros are blended away.
  EXPECT_LT((tiles - blur(x)).abs().mean().item<double>(), 0.02);
  const auto seam = [](const at::Tensor& of, const at::Tensor& as) {
    return (of.select(3, 0) - as.select(3, 0)).abs().mean().item<double>();
  };
  EXPECT_LT(seam(tiles, blur(x)), 0.01);
}

TEST_F(WrappingTest, IsTheSameInCompanyAndFromCheckpoints) {
  const auto alone = MadeAlone(*models_, Options(), Seamless());
  ASSERT_EQ(alone->Error(), "");
  const at::Tensor plain = Alone(Request("euler", 4));
  EXPECT_FALSE(at::equal(alone->picture, plain));
  Engine engine(*models_, WideOptions());
  std::vector<std::shared_ptr<Recorder>> all;
  for (const bool tiling : {true, false, true}) {
    TrajectoryRequest request = Seamless();
    request.tiling = tiling;
    all.push_back(std::make_shared<Recorder>());
    engine.Submit(request, all.back());
  }
  for (size_t i = 0; i < all.size(); ++i) {
    ASSERT_EQ(all[i]->Wait(), Ending::kPicture) << all[i]->Error();
    EXPECT_TRUE(at::equal(all[i]->picture, i == 1 ? plain : alone->picture)) << i;
  }
  for (const auto& [step, bytes] : alone->checkpoints) {
    TrajectoryRequest rest = Seamless();
    rest.checkpoint = bytes;
    EXPECT_TRUE(at::equal(PictureMadeAlone(*models_, Options(), rest), alone->picture)) << step;
  }
}

TEST_F(WrappingTest, PicturesWithAndWithoutEdgesShareNoBatch) {
  Trajectory with, without;
  for (Trajectory* const one : {&with, &without}) {
    one->stages.emplace_back().pipeline = pipeline_;
    one->stages.back().shape = {4, 8, 8};
    one->conditioning.rows.resize(1);
  }
  EXPECT_TRUE(FitTogether(with, without));
  with.request.tiling = true;
  EXPECT_FALSE(FitTogether(with, without));
}

TEST_F(WrappingTest, ABatchThatHasBothIsMadeInTwo) {
  const c10::InferenceMode inference;
  EvaluationRow row{.sample = at::randn({4, 16, 16}), .timestep = 300};
  PictureRequest picture;
  picture.prompt = "a cat";
  row.told = pipeline_->Condition(picture, {4, 16, 16}).rows.back();
  EvaluationRow wrapped = row;
  wrapped.wraps = true;
  const auto both = MakeBatchedExecutor()->Run(pipeline_->denoiser(), {row, wrapped});
  const auto plain = MakeBatchedExecutor()->Run(pipeline_->denoiser(), {row});
  const auto alone = MakeBatchedExecutor()->Run(pipeline_->denoiser(), {wrapped});
  EXPECT_TRUE(at::equal(both[0].output, plain[0].output));
  EXPECT_TRUE(at::equal(both[1].output, alone[0].output));
  EXPECT_FALSE(at::equal(both[0].output, both[1].output));
}

}  // namespace
}  // namespace mind::diffusion
