// A mark in a picture that nobody sees, and that who has its key finds again.
//
// Spread spectrum in the low frequencies of the whole picture (Cox, Kilian, Leighton and Shamoon, "Secure
// spread spectrum watermarking for multimedia", 1997), put in until it is found as surely as it shall be,
// whatever the picture has there itself (Malvar and Florêncio, "Improved spread spectrum", 2003). The
// frequencies are counted in waves over the picture, so that they stay where they are when it is resized.
//
// What it outlives: other file formats, JPEG from quality 80, halving, doubling, small changes of brightness
// and contrast. What it does not: cropping, turning, mirroring, and who means to take it away and takes some
// trouble. It says that the picture was made here; its absence says nothing.
#ifndef MIND_WORKER_IMAGE_WATERMARK_H_
#define MIND_WORKER_IMAGE_WATERMARK_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>

#include "worker/image/decode.h"
#include "worker/image/encode.h"

namespace mind::image {

class Watermark {
 public:
  // Where signs are found that strong, the picture is taken to be marked. For pictures that are not, whatever
  // is on them, the chance of that is below 3 exp(−kFound² / 2) = 5e-8 over the keys (Hoeffding's inequality,
  // for three bands).
  static constexpr double kFound = 6;
  // Smaller ones, either way, have no room for it.
  static constexpr int kSmallest = 64;  // pixels
  static constexpr size_t kShortestKey = 16;

  // Throws std::invalid_argument if the key has fewer than kShortestKey bytes. The same key finds what it has
  // put; another does not.
  explicit Watermark(std::string_view key);
  // Of a file's bytes, without the line breaks at its end. Throws std::runtime_error, which names the file.
  static Watermark FromFile(const std::string& path);

  // Any thread may call. Puts it into the picture and gives how surely it is found there, in standard
  // deviations of what is found in pictures without it. Below kFound, which is for pictures that are nearly
  // all black or white, or smaller than kSmallest, the picture is as it was.
  double Put(RgbPicture& picture) const;
  // How surely it is there; 0 for pictures that are too small.
  double Find(const RgbView& picture) const;

 private:
  static constexpr int kWaves = 128;  // half waves over the picture, each way

  std::bitset<size_t{kWaves} * kWaves> signs_;  // row by row of vertical waves
};

}  // namespace mind::image

#endif  // MIND_WORKER_IMAGE_WATERMARK_H_
