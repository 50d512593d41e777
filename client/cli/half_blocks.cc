#include "client/cli/half_blocks.h"

#include <algorithm>
#include <stdexcept>

#include "absl/strings/str_format.h"
#include "worker/image/decode.h"

namespace mind::cli {

std::string DrawJpeg(const std::string& jpeg, int max_columns) {
  image::RgbPicture picture;
  try {
    picture = image::DecodeJpeg(jpeg);
  } catch (const std::runtime_error&) {
    return "";
  }
  const auto at = [&picture](int x, int y) {
    return &picture
                .data[(static_cast<size_t>(y) * static_cast<size_t>(picture.width) + static_cast<size_t>(x)) *
                      3];
  };
  const int shrink = std::max(1, (picture.width + max_columns - 1) / max_columns);
  std::string out;
  for (int y = 0; y + shrink < picture.height; y += 2 * shrink) {
    for (int x = 0; x < picture.width; x += shrink) {
      const uint8_t* const top = at(x, y);
      const uint8_t* const bottom = at(x, y + shrink);
      absl::StrAppendFormat(&out, "\x1b[38;2;%d;%d;%dm\x1b[48;2;%d;%d;%dm▀", top[0], top[1], top[2],
                            bottom[0], bottom[1], bottom[2]);
    }
    out += "\x1b[0m\n";
  }
  return out;
}

}  // namespace mind::cli
