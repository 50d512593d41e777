#include "worker/evaluation/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/support/temporary_folder.h"
#include "worker/diffusion/error.h"
#include "worker/evaluation/features.h"
#include "worker/training/classifier.h"
#include "worker/training/trainer.h"

namespace mind::evaluation {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class JudgeTest : public testing::Test {
 protected:
  // Bars across and bars down, red and blue, on nothing.
  static training::CaptionedSet Bars() {
    training::CaptionedSet set;
    const at::Tensor bar = (at::arange(32).remainder(8) < 4).to(at::kByte);
    std::vector<at::Tensor> pictures;
    for (int64_t thing = 0; thing < 2; ++thing) {
      const at::Tensor mask = (thing == 0 ? bar.unsqueeze(1) : bar.unsqueeze(0)).expand({32, 32});
      for (int64_t colour = 0; colour < 2; ++colour) {
        const at::Tensor none = at::zeros_like(mask);
        pictures.push_back(
            at::stack({colour == 0 ? mask * 255 : none, none, colour == 1 ? mask * 255 : none, mask * 255}));
        set.captions.push_back({"bars"});
        set.thing.push_back(thing);
        set.colour.push_back(colour);
      }
    }
    set.pictures = at::stack(pictures);
    set.things = {"across", "down"};
    set.colours = {"red", "blue"};
    return set;
  }
  std::string Write(const std::string& text) const {
    std::ofstream(folder_ / "prompts.tsv") << text;
    return (folder_ / "prompts.tsv").string();
  }

  support::TemporaryFolder folder_;
};

TEST_F(JudgeTest, AClassifierLearnsAndJudges) {
  training::RunConfig run;
  run.network = {{"channels", {8, 16}}, {"groups", 4}};
  run.steps = run.learning_rate.steps = 100;
  run.learning_rate.peak = 5e-3;
  run.batch = 16;
  run.average = {.decay = 0.9, .start = 0};
  run.log_every = run.checkpoint_every = 100;
  training::Parameters parameters({});
  training::Classifier objective(run, Bars(), parameters);
  training::Trainer(run, {.folder = folder_.string(), .threads = 2, .report = nullptr}, objective, parameters)
      .Run(false);

  const auto classifier = training::ReadClassifier((folder_ / "model").string());
  const at::Tensor pictures = Bars().OnWhite({0, 1, 2, 3});
  const std::vector<Prompt> right = {
      {"", "across", "red"}, {"", "across", "blue"}, {"", "down", "red"}, {"", "down", "blue"}};
  Judgement judgement = Judge(*classifier, pictures, right);
  EXPECT_EQ(judgement.first, 4);
  EXPECT_EQ(judgement.among_five, 4);
  EXPECT_EQ(judgement.right_colours, 4);
  const std::vector<Prompt> wrong = {{"", "down", "red"}, {"", "down", ""}, {"", "", "blue"}, {"", "", ""}};
  judgement = Judge(*classifier, pictures, wrong);
  EXPECT_EQ(judgement.things, 2);
  EXPECT_EQ(judgement.first, 0);
  EXPECT_EQ(judgement.colours, 2);
  EXPECT_EQ(judgement.right_colours, 1);
  ASSERT_EQ(judgement.verdicts.size(), 4U);
  EXPECT_EQ(judgement.verdicts[1].thing, "across");
  EXPECT_EQ(judgement.verdicts[1].colour, "blue");
  EXPECT_EQ(judgement.verdicts[1].likelier_things, 1);
  EXPECT_EQ(judgement.verdicts[1].right_colour, std::nullopt);
  EXPECT_EQ(judgement.verdicts[2].likelier_things, std::nullopt);
  EXPECT_EQ(judgement.verdicts[2].right_colour, false);
  EXPECT_THROW(Judge(*classifier, pictures, {{"", "elephant", ""}}), diffusion::Error);

  const auto extractor = ClassifierFeatures((folder_ / "model").string());
  const at::NoGradGuard no_grad;
  EXPECT_EQ(FeaturesOf(*extractor, at::zeros({3, 3, 20, 20})).sizes(), (at::IntArrayRef{3, 16}));
}

TEST_F(JudgeTest, CaptionedPicturesAreTheirOwnPrompts) {
  training::CaptionedSet set = Bars();
  set.colour[3] = -1;
  const std::vector<Prompt> labels = LabelsOf(set);
  ASSERT_EQ(labels.size(), 4U);
  EXPECT_EQ(labels[1].text, "bars");
  EXPECT_EQ(labels[1].thing, "across");
  EXPECT_EQ(labels[1].colour, "blue");
  EXPECT_EQ(labels[3].colour, "");
  set.thing.clear();
  EXPECT_EQ(LabelsOf(set)[0].thing, "");
}

TEST_F(JudgeTest, PromptsAreReadAndChecked) {
  const std::vector<Prompt> prompts =
      ReadPrompts(Write("# a comment\nred apple\tapple\tred\n一只猫\tcat\n\nanything\n"));
  ASSERT_EQ(prompts.size(), 3U);
  EXPECT_EQ(prompts[0].colour, "red");
  EXPECT_EQ(prompts[1].text, "一只猫");
  EXPECT_EQ(prompts[1].colour, "");
  EXPECT_EQ(prompts[2].thing, "");
  const auto error = [&](const std::string& text) {
    try {
      ReadPrompts(Write(text));
      return std::string();
    } catch (const diffusion::Error& e) {
      return std::string(e.what());
    }
  };
  EXPECT_THAT(error("a\tb\tc\td\n"), HasSubstr("line 1 is not \"prompt <tab> thing <tab> colour\""));
  EXPECT_THAT(error("ok\n\tb\n"), HasSubstr("line 2 is not"));
  EXPECT_THAT(error("# nothing\n"), HasSubstr("no prompts in it"));
  EXPECT_THROW(ReadPrompts("/nope"), diffusion::Error);
}

TEST_F(JudgeTest, WhatIsNoTorchScriptIsNamed) {
  try {
    ReadTorchScript(Write("not a script"));
    FAIL();
  } catch (const diffusion::ModelError& e) {
    EXPECT_THAT(e.what(), HasSubstr("prompts.tsv: not a TorchScript file"));
  }
}

}  // namespace
}  // namespace mind::evaluation
