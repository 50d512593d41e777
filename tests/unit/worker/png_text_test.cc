#include "worker/image/png_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "worker/image/encode.h"

namespace mind::image {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::string PngWith(const std::string& text) {
  const uint8_t pixel[3] = {1, 2, 3};
  return EncodePng({pixel, 1, 1}, text);
}

TEST(PngText, IsReadInEveryScript) {
  EXPECT_THAT(TextsOfPng(PngWith("a cat")), ElementsAre(Pair("parameters", "a cat")));
  EXPECT_THAT(TextsOfPng(PngWith("caf\xc3\xa9")), ElementsAre(Pair("parameters", "caf\xc3\xa9")));  // Latin-1
  EXPECT_THAT(TextsOfPng(PngWith("红苹果\nSteps: 1")), ElementsAre(Pair("parameters", "红苹果\nSteps: 1")));
  EXPECT_THAT(TextsOfPng(PngWith("")), IsEmpty());
}

TEST(PngText, OfWhatIsNoPngIsAnError) {
  EXPECT_THROW(TextsOfPng(""), std::runtime_error);
  EXPECT_THROW(TextsOfPng("GIF89a"), std::runtime_error);
  const std::string png = PngWith("a cat");
  // The signature may be all that is needed to know what it is, but not to read it.
  for (size_t size = 0; size < png.find("IDAT"); ++size) {
    EXPECT_THROW(TextsOfPng(png.substr(0, size)), std::runtime_error) << size;
  }
}

// One packed text of five bytes, and one of 4 MiB in as many KiB.
TEST(PngText, ThatUnpacksToTooMuchIsLeftOut) {
  std::ifstream file(MIND_TEST_DATA "/pictures/packed-texts.png", std::ios::binary);
  const std::string png((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_THAT(TextsOfPng(png), ElementsAre(Pair("Comment", "caf\xc3\xa9")));
}

}  // namespace
}  // namespace mind::image
