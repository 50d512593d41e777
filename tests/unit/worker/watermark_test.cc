// The watermark: where it is found, and where it is not.
//
// Some pictures in the suite; MIND_WATERMARKS=1000 for the rates that are worth telling.
#include "worker/image/watermark.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <random>

#include "tests/support/temporary_folder.h"

namespace mind::image {
namespace {

int Pictures() {
  const char* const value = std::getenv("MIND_WATERMARKS");
  return value != nullptr ? std::atoi(value) : 8;
}

RgbView View(const RgbPicture& picture) {
  return {picture.data.data(), picture.width, picture.height};
}

void Set(RgbPicture& picture, int x, int y, const std::array<double, 3>& color) {
  for (size_t c = 0; c < 3; ++c) {
    picture.data[3 * (static_cast<size_t>(y) * picture.width + x) + c] =
        static_cast<uint8_t>(std::clamp(color[c], 0.0, 255.0));
  }
}

// Like photographs and like drawings, in turn: slopes, waves of all lengths whose power falls with their
// square, shapes with hard edges, and some noise; or shapes of one colour on white.
RgbPicture Draw(int width, int height, uint32_t seed) {
  std::mt19937 random(seed);
  const auto between = [&random](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  const bool photograph = seed % 2 == 0;
  RgbPicture picture{std::vector<uint8_t>(static_cast<size_t>(width) * height * 3), width, height};
  // size · sin(x + y) of each, by what it is along either side.
  struct Wave {
    std::vector<double> sines_x, cosines_x, sines_y, cosines_y;
  };
  std::vector<Wave> waves;
  for (int i = 0; photograph && i < 60; ++i) {
    const double frequency = std::exp(between(0, 4));
    const double angle = between(0, 6.3), phase = between(0, 6.3);
    const double size = 30 / std::sqrt(frequency);
    Wave& wave = waves.emplace_back();
    for (int x = 0; x < width; ++x) {
      const double at = 6.2832 * frequency * std::cos(angle) * (x + 0.5) / width + phase;
      wave.sines_x.push_back(size * std::sin(at));
      wave.cosines_x.push_back(size * std::cos(at));
    }
    for (int y = 0; y < height; ++y) {
      const double at = 6.2832 * frequency * std::sin(angle) * (y + 0.5) / height;
      wave.sines_y.push_back(std::sin(at));
      wave.cosines_y.push_back(std::cos(at));
    }
  }
  struct Shape {
    double x, y, radius;
    std::array<double, 3> color;
    bool round;
  };
  std::vector<Shape> shapes;
  for (int i = 0; i < 6; ++i) {
    shapes.push_back({between(0, 1),
                      between(0, 1),
                      between(0.03, 0.3),
                      {between(0, 255), between(0, 255), between(0, 255)},
                      random() % 2 == 0});
  }
  std::normal_distribution<double> noise(0, photograph ? between(0, 4) : 0);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      const double at_x = (x + 0.5) / width, at_y = (y + 0.5) / height;
      double light = photograph ? 90 + 60 * at_y : 255;
      for (const Wave& wave : waves) {
        light += wave.sines_x[x] * wave.cosines_y[y] + wave.cosines_x[x] * wave.sines_y[y];
      }
      std::array<double, 3> color = {light, light * 0.9, light * 0.8};
      if (!photograph) color = {255, 255, 255};
      for (const Shape& shape : shapes) {
        const double dx = std::abs(at_x - shape.x), dy = std::abs(at_y - shape.y);
        if (shape.round ? dx * dx + dy * dy < shape.radius * shape.radius : std::max(dx, dy) < shape.radius) {
          color = shape.color;
        }
      }
      for (double& channel : color) channel += noise(random);
      Set(picture, x, y, color);
    }
  }
  return picture;
}

RgbPicture Halved(const RgbPicture& picture) {
  RgbPicture half{{}, picture.width / 2, picture.height / 2};
  half.data.resize(static_cast<size_t>(half.width) * half.height * 3);
  for (int y = 0; y < half.height; ++y) {
    for (int x = 0; x < half.width; ++x) {
      std::array<double, 3> mean = {};
      for (const int dy : {0, 1}) {
        for (const int dx : {0, 1}) {
          for (size_t c = 0; c < 3; ++c) {
            mean[c] +=
                picture.data[3 * (static_cast<size_t>(2 * y + dy) * picture.width + 2 * x + dx) + c] / 4.0;
          }
        }
      }
      Set(half, x, y, mean);
    }
  }
  return half;
}

RgbPicture AsJpeg(const RgbPicture& picture, int quality) {
  return DecodeJpeg(EncodeJpeg(View(picture), quality));
}

RgbPicture Brightened(RgbPicture picture) {
  for (uint8_t& value : picture.data) value = static_cast<uint8_t>(std::min(20 + value * 0.85, 255.0));
  return picture;
}

// Of 255: root mean square.
double Change(const RgbPicture& before, const RgbPicture& after) {
  double squares = 0;
  for (size_t i = 0; i < before.data.size(); ++i) {
    const double by = double{1} * before.data[i] - after.data[i];
    squares += by * by;
  }
  return std::sqrt(squares / static_cast<double>(before.data.size()));
}

struct Size {
  int width, height;
};

class WatermarkTest : public ::testing::TestWithParam<Size> {
 protected:
  const Watermark watermark_{"a key of thirty-two random bytes"};
  const Watermark other_{"another key of thirty-two bytes!"};
};

TEST_P(WatermarkTest, IsFoundAgainInWhatBecomesOfThePicture) {
  const auto [width, height] = GetParam();
  struct Way {
    const char* name;
    std::function<RgbPicture(const RgbPicture&)> change;
    int found = 0;
    double least = 1e9;
  };
  std::vector<Way> ways = {
      {"as it is", [](const RgbPicture& picture) { return picture; }},
      {"JPEG 80", [](const RgbPicture& picture) { return AsJpeg(picture, 80); }},
      {"halved", Halved},
      {"halved, JPEG 80", [](const RgbPicture& picture) { return AsJpeg(Halved(picture), 80); }},
      {"brightened", Brightened},
  };
  double change = 0, most_change = 0;
  int by_other = 0, without = 0;
  for (int i = 0; i < Pictures(); ++i) {
    const RgbPicture picture = Draw(width, height, static_cast<uint32_t>(i));
    without += watermark_.Find(View(picture)) >= Watermark::kFound ? 1 : 0;
    RgbPicture marked = picture;
    watermark_.Put(marked);
    change += Change(picture, marked) / Pictures();
    most_change = std::max(most_change, Change(picture, marked));
    by_other += other_.Find(View(marked)) >= Watermark::kFound ? 1 : 0;
    for (Way& way : ways) {
      const double found = watermark_.Find(View(way.change(marked)));
      way.found += found >= Watermark::kFound ? 1 : 0;
      way.least = std::min(way.least, found);
    }
  }
  std::printf("%dx%d, %d pictures, changed by %.2f of 255 (mean of root mean squares), at most %.2f\n", width,
              height, Pictures(), change, most_change);
  EXPECT_LE(most_change, 8.1);  // its bound, and what rounding adds
  for (const Way& way : ways) {
    std::printf("  %-16s found in %d, least %.1f\n", way.name, way.found, way.least);
    EXPECT_GE(way.found, std::lround(0.99 * Pictures())) << way.name;
  }
  std::printf("  found without it in %d, by another key in %d\n", without, by_other);
  EXPECT_EQ(without, 0);
  EXPECT_EQ(by_other, 0);
}

INSTANTIATE_TEST_SUITE_P(Sizes, WatermarkTest,
                         ::testing::Values(Size{128, 128}, Size{256, 256}, Size{512, 384}),
                         [](const auto& size) {
                           return std::to_string(size.param.width) + "x" + std::to_string(size.param.height);
                         });

TEST(Watermark, PicturesWithoutRoomForItStayAsTheyWere) {
  const Watermark watermark("a key of thirty-two random bytes");
  RgbPicture small = Draw(Watermark::kSmallest - 1, 200, 1);
  const RgbPicture before = small;
  EXPECT_EQ(watermark.Put(small), 0);
  EXPECT_EQ(small.data, before.data);
}

TEST(Watermark, TheSameKeyAndPictureGiveTheSame) {
  RgbPicture one = Draw(128, 128, 2), other = one;
  Watermark("a key of thirty-two random bytes").Put(one);
  Watermark("a key of thirty-two random bytes").Put(other);
  EXPECT_EQ(one.data, other.data);
}

TEST(Watermark, KeysAreOfSomeLength) {
  EXPECT_THROW(Watermark("short"), std::invalid_argument);
  const support::TemporaryFolder folder;
  const auto error_of = [](const std::string& path) -> std::string {
    try {
      Watermark::FromFile(path);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_THAT(error_of(folder / "none"), ::testing::HasSubstr("none: cannot be read"));
  std::ofstream(folder / "short") << "fifteen bytes..\n";
  EXPECT_THAT(error_of(folder / "short"), ::testing::HasSubstr("at least 16 bytes; this one has 15"));
  std::ofstream(folder / "long") << "a key of thirty-two random bytes\r\n";
  RgbPicture picture = Draw(128, 128, 4);
  Watermark::FromFile(folder / "long").Put(picture);
  EXPECT_GE(Watermark("a key of thirty-two random bytes").Find(View(picture)), Watermark::kFound);
}

}  // namespace
}  // namespace mind::image
