#include "worker/evaluation/findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "worker/diffusion/error.h"
#include "worker/evaluation/pictures.h"
#include "worker/image/decode.h"

namespace mind::evaluation {
namespace {

using testing::HasSubstr;
using testing::Not;

Findings Judged() {
  Findings found{.subject = "emoji", .pictures = 3, .width = 64, .height = 64};
  found.prompts = {{"red apple", "apple", "red"}, {"一只猫", "cat", ""}, {"anything", "", ""}};
  found.judgement = Judgement{
      .verdicts = {{.thing = "apple", .colour = "blue", .likelier_things = 0, .right_colour = false},
                   {.thing = "dog", .colour = "red", .likelier_things = 7, .right_colour = {}},
                   {.thing = "sun", .colour = "red", .likelier_things = {}, .right_colour = {}}},
      .things = 2,
      .first = 1,
      .among_five = 1,
      .colours = 1,
      .right_colours = 0};
  return found;
}

TEST(Findings, ATableHasARowEach) {
  const Findings folder{
      .subject = "文件夹", .pictures = 1494, .width = 256, .height = 128, .fid = 0.6049, .kid = -0.00512};
  EXPECT_EQ(Table({Judged(), folder}),
            "|       | pictures        | FID   | KID     | thing is likeliest | thing is among 5 | colour "
            "is right |\n"
            "| ----- | --------------- | ----- | ------- | ------------------ | ---------------- | "
            "--------------- |\n"
            "| emoji | 3 of 64x64      |       |         | 50.0 %             | 50.0 %           | 0.0 %    "
            "       |\n"
            "| 文件夹   | 1494 of 256x128 | 0.605 | -0.0051 |                    |                  |       "
            "          |\n");
}

TEST(Findings, ColumnsThatNobodyFillsAreLeftOut) {
  EXPECT_THAT(Table({Judged()}), Not(HasSubstr("FID")));
  EXPECT_EQ(Table({{.subject = "x", .pictures = 1, .width = 2, .height = 3}}),
            "|   | pictures |\n"
            "| - | -------- |\n"
            "| x | 1 of 2x3 |\n");
}

TEST(Findings, EveryVerdictHasALine) {
  EXPECT_EQ(VerdictLines({Judged(), {.subject = "not judged"}}),
            "subject\tprompt\tthing\tseen\tlikelier\tcolour\tseen\n"
            "emoji\tred apple\tapple\tapple\t0\tred\tblue\n"
            "emoji\t一只猫\tcat\tdog\t7\t\tred\n"
            "emoji\tanything\t\tsun\t\t\tred\n");
}

// Two sets of three pictures in rows of two: the first two of either, then the third.
TEST(Findings, SheetsShowPicturesOfOnePromptBelowOneAnother) {
  const auto shades = [](int64_t extent, std::vector<double> values) {
    return at::tensor(values).to(at::kFloat).view({-1, 1, 1, 1}).expand({-1, 3, extent, extent}).contiguous();
  };
  const image::RgbPicture sheet =
      image::DecodePicture(ContactSheet({shades(2, {-1, -0.5, 0}), shades(4, {0.2, 0.4, 0.6})}, 2));
  ASSERT_EQ(sheet.width, 8);
  ASSERT_EQ(sheet.height, 16);
  const auto at = [&](int row, int column) { return static_cast<int>(sheet.data[(row * 8 + column) * 3]); };
  EXPECT_EQ(at(0, 0), 0);
  EXPECT_NEAR(at(3, 7), 64, 1);
  EXPECT_NEAR(at(4, 0), 153, 1);
  EXPECT_NEAR(at(4, 4), 179, 1);
  EXPECT_NEAR(at(8, 0), 128, 1);
  EXPECT_EQ(at(8, 4), 255);
  EXPECT_NEAR(at(12, 3), 204, 1);
  EXPECT_THROW(ContactSheet({shades(2, {0, 0}), shades(2, {0})}, 2), diffusion::Error);
}

}  // namespace
}  // namespace mind::evaluation
